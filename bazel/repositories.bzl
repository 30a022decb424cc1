"""The libraries gatepost builds on, found where Debian's packages put them."""

_LIBRARIES = [
    "abseil",
    "asio",
    "benchmark",
    "boringssl",
    "cares",
    "googletest",
    "libidn2",
    "libopendkim",
    "libpsl",
    "libspf2",
    "nlohmann_json",
    "rocksdb",
    "spdlog",
    "tomlplusplus",
    "zlib",
]

def gatepost_repositories():
    """Declares one repository per system library; a user's WORKSPACE calls this too."""
    for name in _LIBRARIES:
        if not native.existing_rule(name):
            native.new_local_repository(
                name = name,
                path = "/usr",
                build_file = "@gatepost//third_party:%s.BUILD" % name,
            )
