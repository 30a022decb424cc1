// This header stands alone.
#include "smtp/detail/exception_text.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/support/failing_new.hpp"

namespace gatepost::smtp::detail {
namespace {

TEST(exception_text, of_one_that_is_kept) {
  const auto kept = std::make_exception_ptr(std::runtime_error("no such file"));
  EXPECT_EQ(exception_text(kept), "no such file");
  EXPECT_EQ(exception_text(kept), "no such file") << "it is still there";
}

TEST(exception_text, of_the_one_that_is_being_handled) {
  try {
    throw std::runtime_error("no such file");
  } catch (...) {
    EXPECT_EQ(exception_text(), "no such file");
  }
}

TEST(exception_text, of_what_is_no_std_exception) {
  EXPECT_EQ(exception_text(std::make_exception_ptr(7)), "an exception that is no std::exception");
}

TEST(exception_text, without_the_memory_for_its_words) {
  const auto known = std::make_exception_ptr(std::runtime_error(std::string(100, 'x')));
  for (const std::exception_ptr& e : {known, std::make_exception_ptr(7)}) {
    tests::failing_new::arm(1, 1000);
    const std::string text = exception_text(e);
    tests::failing_new::disarm();
    EXPECT_GT(tests::failing_new::failed(), 0u);
    EXPECT_EQ(text, "out of memory");
  }
}

}  // namespace
}  // namespace gatepost::smtp::detail
