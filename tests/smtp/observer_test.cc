// This header stands alone.
#include "smtp/observer.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

TEST(observer, may_ignore_everything) {
  observer silent;
  const session_facts facts;
  silent.on_connection({facts, true, {}});
  silent.on_trouble({"here", "something", {}});
  silent.on_transcript(facts, direction::from_client, "EHLO a");
  EXPECT_FALSE(silent.wants_transcript(facts));
}

}  // namespace
}  // namespace gatepost::smtp
