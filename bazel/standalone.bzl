"""Compiles headers one by one, to show that each of them stands alone."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _unit_of(ctx, header):
    unit = ctx.actions.declare_file("%s/%s.cc" % (ctx.label.name, header.short_path))
    ctx.actions.write(unit, "#include \"%s\"\n" % header.short_path)
    return unit

def _standalone_headers_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        # Every header of the tree is at hand here, whatever its library declares.
        unsupported_features = ctx.disabled_features + ["layering_check"],
    )
    _, outputs = cc_common.compile(
        actions = ctx.actions,
        feature_configuration = features,
        cc_toolchain = toolchain,
        name = ctx.label.name,
        srcs = [_unit_of(ctx, header) for header in ctx.files.headers],
        private_hdrs = ctx.files.headers + ctx.files.internal_headers,
        compilation_contexts = [dep[CcInfo].compilation_context for dep in ctx.attr.deps],
    )
    objects = outputs.pic_objects or outputs.objects
    return [DefaultInfo(files = depset(objects), runfiles = ctx.runfiles(files = objects))]

standalone_headers = rule(
    implementation = _standalone_headers_impl,
    doc = "One translation unit per header, that includes this header and nothing else.",
    attrs = {
        "headers": attr.label_list(
            doc = "The headers that have to compile alone.",
            allow_files = True,
        ),
        "internal_headers": attr.label_list(
            doc = "What the headers include of the tree and need not compile alone.",
            allow_files = True,
        ),
        "deps": attr.label_list(
            doc = "The libraries outside the tree that any of the headers includes.",
            providers = [CcInfo],
        ),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
