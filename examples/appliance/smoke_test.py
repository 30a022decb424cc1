#!/usr/bin/env python3
"""Starts appliance on loopback, sends it mail, and looks at what it says."""

import smtplib
import subprocess
import sys
import tempfile


def send(port, sender, recipient):
    """The refusal, or nothing."""
    with smtplib.SMTP("127.0.0.1", port, "client.sender.test", timeout=30) as client:
        try:
            client.sendmail(sender, [recipient], "Subject: hello\r\n\r\nYours\r\n")
        except smtplib.SMTPRecipientsRefused as refused:
            return refused.recipients[recipient]
    return None


def main():
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
        [sys.argv[1], "127.0.0.1:0", f"{folder}/spool"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            port = int(server.stdout.readline().rsplit(":", 1)[1])
            refusal = send(port, "alice@sender.test", "bob@example.com")
            assert refusal is None, refusal
            refusal = send(port, "impostor@example.com", "bob@example.com")
            assert refusal[0] == 550 and b"from inside" in refusal[1], refusal
            refusal = send(port, "alice@sender.test", "bob@elsewhere.test")
            assert refusal[0] == 550 and b"Relaying denied" in refusal[1], refusal
        finally:
            server.kill()


if __name__ == "__main__":
    main()
