// This header stands alone.
#include "routing/memory_spool.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/routing/spool_support.hpp"

namespace gatepost::routing {
namespace {

using testing::run;
using tests::put;
using tests::text_of;

// What it has in common with other spools is in spool_test.cc.
TEST(memory_spool, fails_when_it_is_told_to) {
  memory_spool spool;
  const std::string id = run(put(spool, "text"));
  spool.fail_with(smtp::errc::spool_full);
  EXPECT_EQ(spool.available(), smtp::errc::spool_full);
  EXPECT_EQ(run(put(spool, "more")), "");
  EXPECT_EQ(run(spool.remove(id, durability::synced)), smtp::errc::spool_full);
  EXPECT_EQ(*text_of(spool, id), "text");
  spool.fail_with({});
  EXPECT_FALSE(run(put(spool, "more")).empty());
}

}  // namespace
}  // namespace gatepost::routing
