#!/usr/bin/python3
"""What keeps border_mta from starting: one line each, with place and remedy, and exit status 2."""

import os
import pathlib
import socket
import subprocess
import unittest

import harness


def without_root_powers():
    """Makes a program of root see "Permission denied" like everybody else's."""
    if os.geteuid() == 0:
        return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    return []


# Of the configuration, its last line.
LAST = harness.CONFIG.count("\n")


class Startup(harness.Test):
    def start_mta(self, *arguments):
        return subprocess.run(
            [*without_root_powers(), harness.BORDER_MTA, *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=harness.PATIENCE, check=False)

    def write(self, config):
        file = self.folder / "c.toml"
        file.write_text(config, encoding="utf-8")
        return file

    def fails(self, config, *parts, arguments=()):
        """Does not start with this configuration, and its one line has all the parts."""
        file = self.write(config)
        done = self.start_mta("--config", file, *arguments)
        self.assertEqual(done.returncode, 2, done.stderr + done.stdout)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        for part in parts:
            self.assertIn(str(part), lines[0])
        self.assertTrue(lines[0].startswith("border_mta: "), lines[0])

    # --- Configuration ------------------------------------------------------------------------

    def test_bad_value(self):
        self.fails(harness.CONFIG + '[limits]\nrecipients = "many"\n',
                   self.folder / f"c.toml:{LAST + 2}:14: limits.recipients: ", "a text stands here",
                   "write a whole number from 1 to")

    def test_bad_key(self):
        self.fails(harness.CONFIG + "[limits]\nrecipient = 5\n", f"c.toml:{LAST + 2}:1: limits.recipient: ",
                   'did you mean "recipients"?')

    def test_bad_syntax(self):
        self.fails("[server\n", "c.toml:1:", "this is not TOML")

    def test_several_errors_at_once(self):
        file = self.write(harness.CONFIG + "[limits]\nhops = 0\nhop = 1\n[log]\nlevel = 3\n")
        done = self.start_mta("--config", file, "--check-config")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(done.stderr.splitlines()), 3, done.stderr)

    def test_errors_of_keys_and_of_files_at_once(self):
        config = self.tls("absent.pem", "absent.key").replace("[routes]", '[routes]\nfile = "routes"')
        file = self.write(config + "[limits]\nhop = 1\n")
        for arguments in ((), ("--check-config",)):
            done = self.start_mta("--config", file, *arguments)
            self.assertEqual(done.returncode, 2, done.stdout)
            lines = done.stderr.splitlines()
            self.assertEqual(len(lines), 3, done.stderr)
            for line, part in zip(lines, (
                    f"c.toml:{LAST + 3}:1: limits.hop: ", "c.toml:7:27: tls.certificates[0].chain: ",
                    "c.toml:9:8: routes.file: ")):
                self.assertIn(part, line)

    def test_no_config(self):
        done = self.start_mta("--config", self.folder / "absent.toml")
        self.assertEqual(done.returncode, 2)
        self.assertIn("absent.toml: cannot be read: No such file or directory; ", done.stderr)

    def test_bad_routes_file(self):
        (self.folder / "routes").write_text(
            "# routes\nexample.test maildir:x\nother.test teleport:y\n", encoding="utf-8")
        self.fails(harness.CONFIG.replace("[routes]", '[routes]\nfile = "routes"\n').replace(
            '"example.test  maildir:{local}",', ""), self.folder / "routes:3: ", "teleport")

    def test_maildir_without_a_path(self):
        self.fails(harness.CONFIG.replace("maildir:{local}", "maildir:"), "c.toml:11:3: routes.rules: ",
                   "begin with a slash")

    def test_maildirs_in_no_folder(self):
        (self.folder / "mail").write_text("", encoding="utf-8")
        self.fails(harness.CONFIG, "routes.maildirs: ", self.folder / "mail: is no folder")

    def test_absent_routes_file(self):
        self.fails(harness.CONFIG.replace("[routes]", '[routes]\nfile = "routes"'),
                   "c.toml:9:8: routes.file: ", self.folder / "routes: cannot be read: ")

    def test_bad_option(self):
        done = self.start_mta("--chek-config")
        self.assertEqual(done.returncode, 2)
        self.assertIn("did you mean --check-config?", done.stderr)

    # --- Certificates -------------------------------------------------------------------------

    def tls(self, chain, key):
        return harness.CONFIG.replace(
            "self_signed = true", f'certificates = [{{ chain = "{chain}", key = "{key}" }}]')

    def test_absent_certificate(self):
        self.fails(self.tls("absent.pem", "absent.key"),
                   "c.toml:7:27: tls.certificates[0].chain: ", self.folder / "absent.pem")

    @harness.needs("openssl")
    def test_certificate_that_is_none(self):
        _, key = harness.certificate(self.folder, "good")
        (self.folder / "bad.pem").write_text("This is no certificate.\n", encoding="utf-8")
        self.fails(self.tls("bad.pem", key), self.folder / "bad.pem")

    @harness.needs("openssl")
    def test_key_of_another_certificate(self):
        chain, _ = harness.certificate(self.folder, "one")
        _, key = harness.certificate(self.folder, "two")
        self.fails(self.tls(chain, key), "c.toml:7:", ": tls.certificates[0].key: ", "two.key")

    @harness.needs("openssl", "setpriv")
    def test_key_that_cannot_be_read(self):
        chain, key = harness.certificate(self.folder, "mx")
        key.chmod(0)
        self.fails(self.tls(chain, key), key, "ermission denied")

    def test_ciphers_that_are_none(self):
        self.fails(harness.CONFIG.replace("[routes]", 'ciphers = "ROT13"\n[routes]'),
                   "c.toml:8:11: tls.ciphers: ", "ROT13", "leave it empty")

    # --- Ports --------------------------------------------------------------------------------

    def test_busy_port(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.fails(harness.CONFIG.replace("127.0.0.1:0", f"127.0.0.1:{port}"),
                       "c.toml:5:23: server.listen[0].address: ", f"127.0.0.1:{port}",
                       "Address already in use", "use another port")

    def test_second_server_on_one_port(self):
        mta = self.border_mta()
        self.fails(harness.CONFIG.replace("127.0.0.1:0", mta.address)
                   .replace('directory = "spool"', 'directory = "spool2"'),
                   mta.address, "Address already in use")

    @harness.needs("setpriv")
    @unittest.skipIf(
        pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii")
        .strip() in ("0", "25"), "everybody may listen on port 25 here")
    def test_port_that_only_root_may_have(self):
        self.fails(harness.CONFIG.replace("127.0.0.1:0", "127.0.0.1:25"), "127.0.0.1:25",
                   "Permission denied", "CAP_NET_BIND_SERVICE")

    # --- Spool --------------------------------------------------------------------------------

    def test_spool_without_parent(self):
        self.fails(harness.CONFIG.replace('"spool"', '"no/spool"'),
                   "c.toml:15:13: spool.directory: ", self.folder / "no/spool: ",
                   "No such file or directory", "make the one above it")

    @harness.needs("setpriv")
    def test_spool_with_a_part_of_somebody_else(self):
        (self.folder / "spool").mkdir(mode=0o700)
        (self.folder / "spool/bodies").mkdir(mode=0o000)
        self.fails(harness.CONFIG, self.folder / "spool", "bodies", "chown -R")
        self.fails(harness.CONFIG, self.folder / "spool/bodies: user ", "chown -R",
                   arguments=("--check-config",))

    def test_spool_that_is_a_file(self):
        (self.folder / "spool").write_text("", encoding="utf-8")
        self.fails(harness.CONFIG, self.folder / "spool: ", "not a directory")

    @harness.needs("setpriv")
    def test_spool_that_cannot_be_written(self):
        (self.folder / "spool").mkdir(mode=0o500)
        self.fails(harness.CONFIG, self.folder / "spool: ", "may not write", "chown")

    def test_spool_that_others_may_read(self):
        (self.folder / "spool").mkdir()
        (self.folder / "spool").chmod(0o755)
        self.fails(harness.CONFIG, self.folder / "spool: ", "chmod 700")

    def test_spool_of_a_running_server(self):
        self.border_mta()
        self.fails(harness.CONFIG, self.folder / "spool: ", "another process", "stop it")

    # --- Log ----------------------------------------------------------------------------------

    def test_log_that_cannot_be_written(self):
        (self.folder / "log").mkdir()
        self.fails(harness.CONFIG + '[log]\nfile = "log"\n', f"c.toml:{LAST + 2}:8: log.file: ",
                   "cannot write the log", self.folder / "log", "Is a directory")
        self.fails(harness.CONFIG + '[log]\nfile = "no/log"\n', f"c.toml:{LAST + 2}:8: log.file: ",
                   self.folder / "no", "there is no such folder; make it first")
        self.assertFalse((self.folder / "no").exists())

    # --- Without a configuration --------------------------------------------------------------

    def test_built_in_configuration(self):
        mta = harness.BorderMta(self.folder, None, built_in=True)
        self.addCleanup(mta.kill)
        self.assertIn(f"files are in {self.folder}", mta.output.all())
        with harness.Conversation(mta.port) as client:
            self.assertTrue(client.reply().startswith("220 mx.example.test ESMTP"))
            self.assertIn("STARTTLS", client.say("EHLO c.sender.test"))
            for line in ("MAIL FROM:<alice@sender.test>", "RCPT TO:<bob@example.test>", "DATA"):
                client.say(line)
            self.assertTrue(client.say("Subject: x\r\n\r\n.").startswith("250 "))
        self.arrived(mta, "bob")
        done = self.start_mta("--dir", self.folder / "other", "--listen", mta.address)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, "^border_mta: --listen: cannot listen at .* already in use")

    # --- --check-config -----------------------------------------------------------------------

    def test_check_config_finds_all_without_listening(self):
        mta = self.border_mta()
        done = self.start_mta("--config", mta.config, "--check-config")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("nothing is wrong", done.stdout)
        config = self.tls("absent.pem", "k.pem").replace('"spool"', '"no/spool"').replace(
            "[routes]", '[routes]\nfile = "routes"') + '[log]\nfile = "no/log"\n'
        done = self.start_mta("--config", self.write(config), "--check-config")
        self.assertEqual(done.returncode, 2)
        for part in ("absent.pem", "routes: cannot be read", "no: No such file", "no/log"):
            self.assertIn(part, done.stderr)

    def test_check_config_looks_at_listen_and_makes_nothing(self):
        mta = self.border_mta()
        done = self.start_mta("--config", mta.config, "--listen", "foo", "--check-config")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertRegex(done.stderr, "^border_mta: --listen: foo: no address")
        absent = self.folder / "absent"
        self.assertEqual(self.start_mta("--dir", absent, "--check-config").returncode, 0)
        self.assertFalse(absent.exists())

    def test_an_answer_that_is_cut_off_is_no_answer(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([harness.BORDER_MTA, "--print-config"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False,
                                  timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, 2)
        self.assertIn("standard output cannot be written", done.stderr)

    def test_print_config(self):
        default = self.start_mta("--print-config")
        self.assertEqual(default.returncode, 0, default.stderr)
        again = self.start_mta("--config", self.write(default.stdout), "--print-config")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn('hostname = "mx.example.test"', again.stdout)
        third = self.start_mta("--config", self.write(again.stdout), "--print-config")
        self.assertEqual(third.stdout, again.stdout)

    def test_help_and_version(self):
        self.assertIn("Usage: border_mta", self.start_mta("--help").stdout)
        self.assertRegex(self.start_mta("--version").stdout, r"^border_mta \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    harness.main()
