#!/usr/bin/env python3
"""Tests tools/lint: each bad snippet is caught by the rule that is for it, each good one passes."""

import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import sys
import tempfile
import unittest

LINT = pathlib.Path("tools/lint")

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("lint", str(LINT))
lint = importlib.util.module_from_spec(importlib.util.spec_from_loader("lint", loader))
loader.exec_module(lint)

# Bodies of coroutines: what g++ 12 miscompiles, and what only looks like it or leaks elsewhere.
BAD_SHAPES = {
    "if": "if (co_await x()) co_return 7;",
    "if with init": "if (const bool b = co_await x(); b) co_return 7;",
    "negated": "if (!co_await x()) co_return 7;",
    "second operand": "if (a && co_await x()) co_return 7;",
    "over two lines": "if (\n      co_await x()) co_return 7;",
    "else if": "if (a) { b(); } else if (co_await x()) { c(); }",
    "while": "while (co_await x()) { y(); }",
    "do while": "do { y(); } while (co_await x());",
    "switch": "switch (co_await x()) { case 1: break; }",
    "for": "for (int i = 0; co_await x(i); ++i) y();",
    "nested call in if": "if (g(co_await x())) co_return 7;",
    "ternary": "co_return b ? co_await x() : obj(4);",
    "ternary, last branch": "auto v = b ? obj(4) : co_await x();",
    "aggregate": "co_await g(agg{s});",
    "aggregate, named result": "const int v = co_await g(agg{s, 1});",
    "qualified aggregate": "co_await g(a::agg{.s = s});",
    "braced argument": "co_await g({s});",
    "designated": "co_await g({.a = s});",
    "awaiter": "co_await awaiter{s};",
    "array": 'co_await g(std::array<std::string, 2>{"a", "b"});',
    "await within aggregate": "auto a = agg{.a = co_await x()};",
    "await within list": "std::vector v{s, co_await x()};",
    "aggregate beside": "const int v = g(agg{s}) + co_await x();",
    "aggregate after": "const int v = h(co_await x(), agg{s});",
    "aggregate after call": "const int v = h(co_await x()) + g(agg{s});",
    "in return": "co_return co_await g({s});",
    "second line": "const int v =\n      co_await g(\n          agg{s});",
    "capture by copy": "co_await g([s] { return s; });",
    "capture by move": "co_await g([s = std::move(s)]() mutable { u(s); });",
    "capture all": "co_await g([=] { return s; });",
    "mixed captures": "co_await g([&a, s] { return s; });",
    "spawned": "co_await co_spawn(e, [s]() -> awaitable<int> { co_return 1; }, u);",
    "called at once": "co_await [&o]() -> awaitable<int> { co_return o; }();",
    "structured binding": "auto [e, n] = co_await x();",
    "structured binding, &&": "auto&& [e, n] = co_await x();",
    "macro": "EXPECT_EQ(co_await x(), 3);",
    "two": "co_return co_await x() + co_await y();",
    "in a lambda": "auto f = []() -> awaitable<int> { if (co_await x()) co_return 7; };",
    "after good ones": "const int a = co_await x(); if (co_await y()) b(a);",
}

GOOD_SHAPES = {
    "named": "const bool b = co_await x(); if (b) co_return 7;",
    "loop": "for (;;) { const bool b = co_await x(); if (!b) break; }",
    "in a block of if": "if (a) { co_await x(); } else co_await y();",
    "after if": "if (a) co_await x(); while (b) co_await y();",
    "in a case": "switch (a) { case 1: co_return co_await x(); default: break; }",
    "block in a case": "switch (a) { case 1: { co_await x(); } }",
    "range for": "for (const auto& v : co_await x()) y(v);",
    "loop over list": "for (int i : {1, 2}) co_await x(i);",
    "try": "try { co_await x(); } catch (const error& e) { y(e); }",
    "class temporary": "co_await g(std::string(s), path(a, b));",
    "named aggregate": "agg a{s}; co_await g(std::move(a));",
    "aggregate elsewhere": "co_await x(); g(agg{s});",
    "aggregate before": "g({s}); co_await x();",
    "ternary elsewhere": "const int a = b ? 1 : 2; co_await x(a);",
    "ternary as argument": "co_await x(b ? 1 : 2);",
    "reference captures": "co_await g([&] { return s; }, [&a, this] { b(); });",
    "lambda without captures": "co_await g([](int a) { return agg{a}; });",
    "named lambda": "const auto l = [s] { return s; }; co_await g(l);",
    "subscript": "co_await g(a[i], b()[j]);",
    "attribute": "[[maybe_unused]] const int a = co_await x();",
    "bound by name": "auto r = co_await x(); auto& [e, n] = r;",
    "trivial": "co_await wait(std::chrono::seconds{5});",
    "comment": "// if (co_await x())\n/* while (co_await x()) */\nint a;",
    "string": 'const char* a = "if (co_await x())"; const char* b = R"(co_await f({s}))";',
    "directive": "#define F if (co_await x())\n",
    "class in function": "struct a : b { int c{1}; }; co_await x();",
    "return type": "auto f(agg a) -> std::pair<int, b> { co_await x(); }",
    "digit separators": "const int a = 1'000; co_await x(a, 'b', '{');",
    "second function": "void f() { if (a) { b({s}); } }\nawaitable<int> g() { co_await x(); }",
}

HEADER = """// What it is.
#ifndef GATEPOST_SMTP_X_HPP
#define GATEPOST_SMTP_X_HPP

{}

#endif  // GATEPOST_SMTP_X_HPP
"""

# name -> (path, text, the rule that catches it)
BAD_FILES = {
    "wrong guard": ("smtp/x.hpp", HEADER.format("").replace("SMTP_X", "X"), "guard"),
    "no guard": ("smtp/x.hpp", "#pragma once\nint a();\n", "guard"),
    "unmarked end": ("smtp/x.hpp", HEADER.format("").replace("#endif  //", "#endif //"), "guard"),
    "guard of .ipp": ("smtp/impl/x.ipp", HEADER.format(""), "guard"),
    "all of asio": ("smtp/x.hpp", HEADER.format("#include <asio.hpp>"), "asio"),
    "all of asio in .cc": ("examples/x.cc", "#include <asio.hpp>\n", "asio"),
    "bare co_spawn": ("routing/impl/x.ipp", "asio::co_spawn(io, f(), g);\n", "spawn"),
    "using namespace": ("smtp/x.hpp", HEADER.format("using namespace std;"), "namespace"),
    "unnamed namespace": ("smtp/x.hpp", HEADER.format("namespace {\n}"), "namespace"),
    "no test": ("smtp/other.hpp", HEADER.format("").replace("SMTP_X", "SMTP_OTHER"), "tested"),
    "folder not listed": ("smtp/new/x.hpp", HEADER.format(""), "listed"),
    "unfinished": ("smtp/x.cc", "// TO" "DO: write this\n", "words"),
    "unfinished page": ("docs/x.md", "SPF (FIX" "ME).\n", "words"),
    "home": ("tools/x.sh", "cd /ho" "me/me/gatepost\n", "words"),
    "sleep": ("tests/smtp/y_test.cc", "void f() { std::this_thread::sleep_for(a); }\n", "sleep"),
    "long line": ("smtp/x.cc", "// " + 98 * "x" + "\n", "width"),
    "space at end": ("smtp/x.cc", "int a; \n", "space"),
    "no newline": ("smtp/x.cc", "int a;", "space"),
    "coroutine": ("smtp/impl/x.ipp", BAD_SHAPES["if"] + "\n", "coroutine"),
}

GOOD_FILES = {
    "header": ("smtp/x.hpp", HEADER.format("namespace a {}")),
    "words that contain words": ("smtp/x.cc", "int hacksaw, xxxl, my/root;\n"),
    "list of definitions": ("smtp/src.hpp", HEADER.format("").replace("SMTP_X", "SMTP_SRC")),
    "using in a function": ("smtp/x.hpp", HEADER.format("void f() {\n  using namespace a;\n}")),
    "using in .cc": ("tests/smtp/y_test.cc", "using namespace std;\nnamespace {}\n"),
    "100 characters": ("smtp/x.cc", "// " + 97 * "x" + "\n"),
    "100 characters, more octets": ("smtp/x.cc", "// " + 97 * "§" + "\n"),
    "co_spawn in a test kit": ("smtp/testing/x.cc", "asio::co_spawn(io, f(), g);\n"),
    "waived": ("smtp/x.cc", "// lint: allow width (a vector)\n// " + 98 * "x" + "\n"),
}


def rules_of_body(body):
    """The rules that a coroutine with this body breaks."""
    return {f.rule for f in lint.coroutine_findings(f"awaitable<int> f() {{\n{body}\n}}\n")}


class CoroutineShapes(unittest.TestCase):
    def test_bad_shapes_are_caught(self):
        for name, snippet in BAD_SHAPES.items():
            with self.subTest(name):
                self.assertEqual(rules_of_body(snippet), {"coroutine"})

    def test_good_shapes_pass(self):
        for name, snippet in GOOD_SHAPES.items():
            with self.subTest(name):
                self.assertEqual(rules_of_body(snippet), set())

    def test_finding_names_the_line(self):
        text = "/* two\nlines */\nauto f() {\n  if (\n      co_await x()) y();\n}\n"
        self.assertEqual([f.line for f in lint.coroutine_findings(text)], [5])

    def test_canary_uses_only_good_shapes(self):
        canary = pathlib.Path("tests/compiler/coroutine_canary_test.cc").read_text(encoding="utf-8")
        self.assertIn("co_await", canary)
        self.assertEqual(list(lint.coroutine_findings(canary)), [])


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.write("tests/standalone/BUILD.bazel", '"//smtp",\n')
        self.write("tests/smtp/x_test.cc", '// Alone.\n#include "smtp/x.hpp"\n')

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def rules_of(self, path, text):
        self.write(path, text)
        return {f.rule for f in lint.file_findings(pathlib.Path(path), self.root)}

    def test_bad_files_are_caught(self):
        for name, (path, text, rule) in BAD_FILES.items():
            with self.subTest(name):
                self.assertIn(rule, self.rules_of(path, text))

    def test_good_files_pass(self):
        for name, (path, text) in GOOD_FILES.items():
            with self.subTest(name):
                self.assertEqual(self.rules_of(path, text), set())

    def test_test_must_include_its_header_first(self):
        self.write("tests/smtp/x_test.cc", '#include <gtest/gtest.h>\n#include "smtp/x.hpp"\n')
        self.assertEqual(self.rules_of("smtp/x.hpp", HEADER.format("")), {"tested"})

    def test_waiver_needs_a_reason_and_the_right_rule(self):
        long_line = "// " + 98 * "x" + "\n"
        for waiver in ("width ()", "width", "guard (a)"):
            with self.subTest(waiver):
                text = f"// lint: allow {waiver}\n{long_line}"
                self.assertEqual(self.rules_of("smtp/x.cc", text), {"width"})

    def test_every_rule_of_a_file_has_a_bad_file(self):
        caught = {rule for _, _, rule in BAD_FILES.values()}
        self.assertEqual(caught | {"format", "shell"}, set(lint.RULES))

    def test_tree_leaves_out_what_is_not_ours(self):
        ours = {"smtp/x.cc", "tests/standalone/BUILD.bazel", "tests/smtp/x_test.cc"}
        other = {"bazel-out/a.cc", "user.bazelrc", "tests/data/a.txt", "tests/fuzz/corpus/a/b"}
        for path in ours | other | {"a.png"}:
            self.write(path, "x")
        self.assertEqual({str(path) for path in lint.tree(self.root)}, ours)

    @unittest.skipUnless(lint.shutil.which("clang-format-19"), "clang-format-19 is not installed")
    def test_format(self):
        self.write(".clang-format", "BasedOnStyle: Google\n")
        self.write("smtp/x.cc", "int   a;\nint   b;\n")
        self.write("smtp/y.cc", "int a;\n")
        found = list(lint.format_findings(["smtp/x.cc", "smtp/y.cc"], self.root))
        self.assertEqual([(name, f.rule) for name, f in found], [("smtp/x.cc", "format")])

    @unittest.skipUnless(lint.shutil.which("shellcheck"), "shellcheck is not installed")
    def test_shell(self):
        self.write("tools/x.sh", "#!/bin/bash\nrm $1\n")
        self.write("tools/y", '#!/bin/bash\nrm "$1"\n')
        self.assertTrue(lint.is_shell(pathlib.Path("tools/y"), self.root))
        found = list(lint.shell_findings(["tools/x.sh", "tools/y"], self.root))
        self.assertEqual([(name, f.line) for name, f in found], [("tools/x.sh", 2)])


class CommandLine(unittest.TestCase):
    def test_unknown_option(self):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            self.assertEqual(lint.main(["--unknown"]), 2)
        self.assertIn("--tidy", output.getvalue())

    def test_rules_are_listed(self):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            self.assertEqual(lint.main(["--rules"]), 0)
        self.assertEqual(len(output.getvalue().splitlines()), len(lint.RULES))


if __name__ == "__main__":
    unittest.main()
