#!/usr/bin/env python3
"""Starts custom_check on loopback, sends it mail, and looks at what its checks did."""

import smtplib
import subprocess
import sys


def send(port, sender, recipient, text="Subject: hello\r\n\r\nYours\r\n"):
    """The code of the refusal, or 250."""
    with smtplib.SMTP("127.0.0.1", port, "client.example.com", timeout=30) as client:
        try:
            client.sendmail(sender, [recipient], text)
        except smtplib.SMTPRecipientsRefused as refused:
            return refused.recipients[recipient]
    return 250, b""


def main():
    with subprocess.Popen([sys.argv[1], "0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline().rsplit(":", 1)[1])
            code, text = send(port, "a@example.com", "bob@example.test", "\r\n" + "act now " * 3)
            assert code == 250, (code, text)
            code, text = send(port, "a@example.invalid", "bob@example.test")
            assert code == 550 and b"no business" in text, (code, text)
            code, text = send(port, "a@example.com", "bob@elsewhere.test")
            assert code == 550 and b"Relaying denied" in text, (code, text)
        finally:
            server.terminate()
        said = server.stdout.read()
        assert "message phrase_watch: hold" in said, said
        assert server.wait(timeout=30) == 0, "it did not end as it should"


if __name__ == "__main__":
    main()
