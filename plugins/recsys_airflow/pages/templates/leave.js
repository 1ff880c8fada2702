// Links marked data-leave lead to Airflow's own pages. Inside Airflow's frame they would open a second
// Airflow in it, so they are followed in the window around it, whose document is of the same origin.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-leave]");
  if (!link || window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const outer = window.parent.document.createElement("a");
  outer.href = link.href;
  event.preventDefault();
  outer.click();
});
// A page that only leads on does so by itself.
document.querySelector("a[data-now]")?.click();
