// What a program without Bazel compiles once, in separate mode.
#include "checks/src.hpp"
#include "routing/src.hpp"
#include "smtp/src.hpp"
#include "smtp/testing/src.hpp"
