"""A folder of settings files: each is one dataset, and a broken one says its file, field and reason."""

import pytest

from recsys_tasks.config.dataset_files import dataset_files, read_dataset_file, settings_folder
from recsys_tasks.config.settings import Settings
from recsys_tasks.errors import SettingsError


def write(folder, name, text):
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def test_each_file_is_a_dataset_with_its_own_schedule_and_owner(tmp_path):
    write(tmp_path, "b", 'dataset = "shop"\n[dag]\ncron = "30 2 * * *"\nowner = "shop-team"\n')
    write(tmp_path, "a", 'dataset = "books"\n')
    found = dataset_files(tmp_path)
    assert [file.dataset for file in found.read] == ["books", "shop"]
    assert found.read[0].dag is None
    assert (found.read[1].dag.cron, found.read[1].dag.owner) == ("30 2 * * *", "shop-team")
    assert found.broken == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dataset = ", "Invalid value"),
        ("[train]\nepochs = 3\n", 'dataset: is missing, as in dataset = "shop"'),
        ('dataset = "Shop"', "dataset: String should match"),
        ('dataset = "shop"\n[train]\nepochs = 0\n', "train.epochs: Input should be greater"),
        ('dataset = "shop"\n[train]\nepoch = 1\n', "train.epoch: no such setting; did you mean"),
        ('dataset = "shop"\ndag = "0 3 * * *"\n', "[dag] Input should be"),
        ('dataset = "shop"\n[dag]\ncorn = ""\n', "[dag] corn: no such setting; did you mean cron?"),
        ('dataset = "shop"\n[dag]\ntimezone = "Mars"\n', "[dag] timezone: 'Mars' is no time zone"),
        ('dataset = "shop"\n[dag]\ntimezone = "../x"\n', "[dag] timezone: '../x' is no time zone"),
        ('dataset = "shop"\n[dag]\nassets = [""]\n', "[dag] assets: holds an empty name"),
    ],
)
def test_a_broken_file_is_named_with_its_field_and_the_others_are_read(tmp_path, text, said):
    write(tmp_path, "shop", text)
    write(tmp_path, "tea", 'dataset = "tea"')
    found = dataset_files(tmp_path)
    assert [file.dataset for file in found.read] == ["tea"]
    [error] = found.broken
    assert str(error).startswith("shop.toml: ")
    assert said in str(error)
    assert str(tmp_path) not in str(error)
    with pytest.raises(SettingsError, match=r"is for the dataset shop; shop\.toml: "):
        found.of_dataset("shop")


def test_a_file_that_cannot_be_read_stops_no_other(tmp_path):
    (tmp_path / "gone.toml").symlink_to(tmp_path / "nowhere")
    write(tmp_path, "tea", 'dataset = "tea"')
    found = dataset_files(tmp_path)
    assert [file.dataset for file in found.read] == ["tea"]
    assert "gone.toml: " in str(found.broken[0])


def test_of_two_files_for_one_dataset_the_second_is_refused(tmp_path):
    for name in ("one", "two"):
        write(tmp_path, name, 'dataset = "tea"')
    found = dataset_files(tmp_path)
    assert [file.path.name for file in found.read] == ["one.toml"]
    assert "two.toml: dataset: tea is that of one.toml too" in str(found.broken[0])


def test_the_table_for_airflow_is_no_setting_of_a_run(tmp_path):
    path = write(tmp_path, "tea", 'dataset = "tea"\n[dag]\ncron = "0 1 * * *"\n')
    assert Settings.load(file=path) == Settings.load(overrides={"dataset": "tea"})
    assert read_dataset_file(path).dag.cron == "0 1 * * *"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert settings_folder({}) is None
    with pytest.raises(SettingsError, match=r"RECSYS_SETTINGS_DIR: .*nowhere is no folder"):
        dataset_files(settings_folder({"RECSYS_SETTINGS_DIR": str(tmp_path / "nowhere")}))
