"""One e-mail to those whom ``RECSYS_ALERT_EMAIL`` names, through the server that ``RECSYS_SMTP_URL`` names.

``smtp://host:25`` is plain and turns to TLS where the server offers it; ``smtps://user:password@host``
is TLS from the start. A password is never sent without TLS. ``RECSYS_ALERT_FROM`` is the sender.
"""

import os
import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from recsys_tasks.errors import SettingsError

TIMEOUT_SECONDS = 10
SENDER = "recsys@localhost"


def mail(text: str) -> None:
    """Sends the text, its first line as the subject; does nothing unless somebody is to be told.

    Raises:
        SettingsError: receivers without a server, or a server without TLS for a password.
        smtplib.SMTPException, OSError: the server is away or refuses.
    """
    receivers = os.environ.get("RECSYS_ALERT_EMAIL", "")
    if not receivers:
        return
    address = urlsplit(os.environ.get("RECSYS_SMTP_URL", ""))
    if address.scheme not in ("smtp", "smtps") or not address.hostname:
        raise SettingsError("RECSYS_ALERT_EMAIL needs RECSYS_SMTP_URL, like smtp://mail.example:25")
    with _server(address.scheme, address.hostname, address.port or 0) as server:
        if address.username:
            _log_in(server, unquote(address.username), unquote(address.password or ""))
        server.send_message(_message(text, receivers))


def _server(scheme: str, host: str, port: int) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
    server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=context)
        server.ehlo()
    return server


def _log_in(server: smtplib.SMTP, user: str, password: str) -> None:
    if not isinstance(server.sock, ssl.SSLSocket):
        raise SettingsError("the mail server offers no TLS, so the password was not sent to it")
    server.login(user, password)


def _message(text: str, receivers: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = " ".join(text.partition("\n")[0].split())[:200]
    message["From"] = os.environ.get("RECSYS_ALERT_FROM", SENDER)
    message["To"] = receivers
    message.set_content(text + "\n")
    return message
