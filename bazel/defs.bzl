"""How gatepost's targets are declared: one library per public header, one test per header."""

def gatepost_library(name, deps = [], impl = True, textual_hdrs = [], visibility = None, **kwargs):
    """A library of one public header, NAME.hpp, with its definitions in impl/NAME.ipp.

    In separate mode impl/NAME.ipp is compiled once, here; in header-only mode the header has it.

    Args:
      name: the header's name without .hpp; may not contain a folder.
      deps: as for cc_library.
      impl: False for a header that defines everything itself.
      textual_hdrs: what impl/NAME.ipp includes in its turn.
      visibility: as for cc_library.
      **kwargs: passed on to cc_library.
    """
    textual = textual_hdrs + (["impl/%s.ipp" % name] if impl else [])
    srcs = []
    if impl:
        # One generated translation unit, because Bazel does not compile .ipp files.
        native.genrule(
            name = name + "_src",
            outs = ["impl/%s_separate.cc" % name],
            cmd = "echo '#include \"%s/impl/%s.ipp\"' > $@" % (native.package_name(), name),
            visibility = ["//visibility:private"],
        )
        srcs = select({
            "@gatepost//:separate": [":%s_src" % name],
            "//conditions:default": [],
        })
    native.cc_library(
        name = name,
        hdrs = ["%s.hpp" % name],
        textual_hdrs = textual,
        srcs = srcs,
        deps = (["@gatepost//smtp:config"] if name != "config" else []) + deps,
        # No shared object beside the archive: nothing here links one.
        linkstatic = True,
        visibility = visibility,
        **kwargs
    )

def gatepost_test(name, deps = [], size = "small", **kwargs):
    """A GoogleTest of one header: NAME.cc.

    Args:
      name: the test's and its file's name, by custom HEADER_test.
      deps: the libraries under test.
      size: as for cc_test.
      **kwargs: passed on to cc_test.
    """
    native.cc_test(
        name = name,
        srcs = ["%s.cc" % name],
        size = size,
        deps = deps + ["@googletest//:gtest_main"],
        **kwargs
    )

def gatepost_benchmark(name, deps = [], **kwargs):
    """A google-benchmark program of one header: NAME.cc. Run it with `bazel run -c opt`.

    Args:
      name: the program's and its file's name, by custom HEADER_bench.
      deps: the libraries measured.
      **kwargs: passed on to cc_binary.
    """
    native.cc_binary(
        name = name,
        srcs = ["%s.cc" % name],
        testonly = True,
        deps = deps + ["@benchmark//:benchmark_main"],
        tags = ["bench"],
        **kwargs
    )

def gatepost_fuzz(name, deps = [], corpus = [], **kwargs):
    """A libFuzzer target, NAME.cc, and a test NAME_corpus that runs its corpus under any compiler.

    Build the fuzzer itself with --config=fuzz; NAME is then a libFuzzer binary. tools/fuzz builds
    and runs all of them.

    Args:
      name: the target's and its file's name, by custom HEADER_fuzz.
      deps: the libraries fuzzed.
      corpus: the seed files.
      **kwargs: passed on to both.
    """
    native.cc_binary(
        name = name,
        srcs = ["%s.cc" % name],
        testonly = True,
        tags = [
            "fuzz",
            "manual",
        ],
        linkopts = ["-fsanitize=fuzzer"],
        deps = deps,
        **kwargs
    )
    native.cc_test(
        name = name + "_corpus",
        size = "small",
        srcs = [
            "%s.cc" % name,
            "//tests/fuzz:replay_main.cc",
        ],
        args = ["$(locations %s)" % c for c in corpus],
        data = corpus,
        deps = deps,
        **kwargs
    )

def gatepost_module(name, folders = [], deps = [], **kwargs):
    """What users depend on: all libraries of a folder in one. Stands last in its BUILD file.

    Args:
      name: by custom the folder's name.
      folders: other folders that belong to it, each with a gatepost_module of its own.
      deps: other modules that no user of this one can do without.
      **kwargs: passed on to cc_library.
    """
    native.cc_library(
        name = name,
        # Named once more, so that this dependency covers a user's includes (layering_check).
        hdrs = [folder + ":public_headers" for folder in [""] + folders],
        visibility = ["//visibility:public"],
        deps = folders + deps + [
            ":" + rule["name"]
            for rule in native.existing_rules().values()
            if rule["kind"] == "cc_library" and rule.get("hdrs") and not rule.get("testonly")
        ],
        **kwargs
    )
