// This header stands alone.
#include "smtp/input_buffer.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatepost::smtp {
namespace {

void put(input_buffer& b, std::string_view text, std::size_t size = 16) {
  const std::span<char> room = b.prepare(size);
  ASSERT_GE(room.size(), text.size());
  text.copy(room.data(), text.size());
  b.commit(text.size());
}

TEST(input_buffer, gives_out_what_came_in) {
  buffer_pool pool;
  input_buffer b(pool);
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(b.view(), "");
  put(b, "hello ");
  put(b, "world");
  EXPECT_EQ(b.view(), "hello world");
  b.consume(6);
  EXPECT_EQ(b.view(), "world");
  EXPECT_EQ(b.size(), 5U);
  b.consume(5);
  EXPECT_TRUE(b.empty());
}

TEST(input_buffer, room_is_the_whole_block_less_what_is_there) {
  buffer_pool pool;
  input_buffer b(pool);
  EXPECT_EQ(b.prepare(16).size(), 16U);
  put(b, "0123456789");
  EXPECT_EQ(b.prepare(16).size(), 6U);
  b.consume(8);
  EXPECT_EQ(b.prepare(16).size(), 14U);  // moved to the front
  EXPECT_EQ(b.view(), "89");
  put(b, "abcdefghijklmn");
  EXPECT_EQ(b.prepare(16).size(), 0U);
}

TEST(input_buffer, grows_and_keeps_what_is_there) {
  buffer_pool pool;
  input_buffer b(pool);
  put(b, "0123456789abcdef");
  b.consume(3);
  EXPECT_EQ(b.prepare(64).size(), 64U - 13U);
  EXPECT_EQ(b.view(), "3456789abcdef");
  // A larger block serves a smaller wish.
  EXPECT_EQ(b.prepare(16).size(), 64U - 13U);
}

TEST(input_buffer, memory_goes_back_and_comes_again) {
  buffer_pool pool;
  char* first = nullptr;
  {
    input_buffer b(pool);
    put(b, "x");
    first = b.prepare(16).data() - 1;
    b.release_if_empty();
    EXPECT_EQ(b.view(), "x");  // there is something in it
    b.consume(1);
    b.release_if_empty();
    EXPECT_EQ(pool.take(16).memory.get(), first);
  }
  input_buffer c(pool);
  EXPECT_EQ(c.prepare(16).size(), 16U);
}

TEST(input_buffer, a_destroyed_buffer_gives_back_too) {
  buffer_pool pool;
  char* memory = nullptr;
  {
    input_buffer b(pool);
    memory = b.prepare(16).data();
    put(b, "left behind");
  }
  EXPECT_EQ(pool.take(16).memory.get(), memory);
}

TEST(input_buffer, clear) {
  buffer_pool pool;
  input_buffer b(pool);
  put(b, "secret");
  b.clear();
  EXPECT_TRUE(b.empty());
  put(b, "x");
  EXPECT_EQ(b.view(), "x");
}

TEST(buffer_pool, keeps_so_many_and_the_newest_first) {
  buffer_pool pool;
  std::vector<buffer_pool::block> out;
  for (std::size_t i = 0; i < buffer_pool::kept + 4; ++i) out.push_back(pool.take(8));
  std::vector<char*> addresses;
  for (auto& b : out) addresses.push_back(b.memory.get());
  for (auto& b : out) pool.give_back(std::move(b));
  EXPECT_EQ(pool.take(8).memory.get(), addresses[buffer_pool::kept - 1]);
  EXPECT_EQ(pool.take(8).size, 8U);
  EXPECT_EQ(pool.take(99).size, 99U);
}

}  // namespace
}  // namespace gatepost::smtp
