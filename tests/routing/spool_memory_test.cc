// The embedded spool where memory runs out: on its threads, and on those of who uses it. Nothing
// ends by that but what needed the memory; who waits is told; what was accepted is there.
#include <gtest/gtest.h>

#include <algorithm>
#include <asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "routing/rocksdb_spool.hpp"
#include "tests/routing/spool_fixtures.hpp"
#include "tests/routing/spool_support.hpp"
#include "tests/support/failing_new.hpp"

namespace gatepost::routing {
namespace {

using testing::run;
using tests::eventually;
using tests::ids_in;
using tests::put;
using tests::text_of_size;
namespace failing_new = tests::failing_new;

const std::string small_text = "small";
const std::string large_text = text_of_size(5000);  // has a file of its own

class spool_memory : public tests::faulty_spool_test {
 protected:
  // Takes a message, as soon as it takes any.
  void works() {
    std::string id;
    EXPECT_TRUE(eventually([&] {
      id = run(put(*spool, large_text));
      return !id.empty();
    }));
    accepted.push_back(id);
  }

  void has_what_it_accepted() {
    reopen();
    std::sort(accepted.begin(), accepted.end());
    EXPECT_EQ(ids_in(*spool), accepted);
  }

  std::vector<std::string> accepted;
};

struct place {
  spool_step step;
  const std::string& text;
};
const place places[] = {{spool_step::batch_write, small_text},
                        {spool_step::batch_write, large_text},
                        {spool_step::body_write, large_text},
                        {spool_step::body_sync, large_text}};

TEST_F(spool_memory, runs_out_in_the_middle_of_the_work) {
  for (const place& p : places) {
    bool thrown = false;
    on_step = [&](spool_step s) {
      if (s == p.step && !std::exchange(thrown, true)) throw std::bad_alloc();
      return std::error_code{};
    };
    EXPECT_EQ(run(put(*spool, p.text)), "");
    EXPECT_TRUE(thrown);
    works();
  }
  has_what_it_accepted();
}

// The step fails, and the thread that is to say so gets nothing for a while.
TEST_F(spool_memory, is_not_needed_to_answer) {
  for (const place& p : places) {
    bool failed = false;
    on_step = [&](spool_step s) {
      // RocksDB itself does not bear it.
      if (s == spool_step::reopen) failing_new::disarm();
      if (s != p.step || std::exchange(failed, true)) return std::error_code{};
      failing_new::arm(1, 20);
      return std::make_error_code(std::errc::io_error);
    };
    EXPECT_EQ(run(put(*spool, p.text)), "");
    EXPECT_TRUE(failed);
    works();
  }
  has_what_it_accepted();
}

struct outcome {
  std::string id;
  bool failed = false;
};

asio::awaitable<void> put_without(spool& to, const std::string& text, std::size_t allocation,
                                  outcome& made) {
  std::string given = text;
  failing_new::arm(allocation);
  try {
    made.id = co_await put(to, std::move(given), 700);
  } catch (const std::bad_alloc&) {
    made.id.clear();
  }
  failing_new::disarm();
  made.failed = failing_new::failed() != 0;
}

TEST_F(spool_memory, runs_out_for_who_uses_it) {
  for (const std::string* text : {&small_text, &large_text}) {
    outcome made;
    made.failed = true;
    for (std::size_t n = 1; made.failed; ++n) {
      SCOPED_TRACE("allocation " + std::to_string(n));
      run(put_without(*spool, *text, n, made));
      if (!made.id.empty()) accepted.push_back(made.id);
    }
    EXPECT_NE(made.id, "");
    works();
  }
  has_what_it_accepted();
}

}  // namespace
}  // namespace gatepost::routing
