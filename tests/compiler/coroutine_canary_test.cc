// The coroutine shapes that gatepost relies on, each run under -O0, -O2 and the sanitizers. g++ 12
// miscompiles others without a warning; tools/lint keeps those out. When this test fails, the
// compiler is not one to build gatepost with.
#include <gtest/gtest.h>

#include <array>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace {

using asio::awaitable;

// Long enough to be on the heap, so that a second destruction is a double free too.
const std::string long_text = "a text that does not fit into the small buffer of a string";

// Counts its objects: a shape is right when none is left over and none is destroyed twice.
class tracked {
 public:
  explicit tracked(int value) : value_(value), text_(long_text) { ++live; }
  tracked(const tracked& other) : value_(other.value_), text_(other.text_) { ++live; }
  tracked(tracked&& other) noexcept : value_(other.value_), text_(std::move(other.text_)) {
    ++live;
  }
  tracked& operator=(const tracked&) = default;
  tracked& operator=(tracked&&) = default;
  ~tracked() { --live; }

  int value() const { return value_; }
  bool intact() const { return text_ == long_text; }

  static inline int live = 0;

 private:
  int value_;
  std::string text_;
};

struct plain_pair {  // an aggregate, trivially destructible
  int first;
  int second;
};

// Every awaited function suspends first: what lives across the suspension is what goes wrong.
awaitable<void> pause() { co_await asio::post(asio::use_awaitable); }

awaitable<int> number(int value) {
  co_await pause();
  co_return value;
}

awaitable<bool> answer(bool value) {
  co_await pause();
  co_return value;
}

awaitable<tracked> make(int value) {
  co_await pause();
  co_return tracked(value);
}

awaitable<int> take(tracked by_value) {
  co_await pause();
  co_return by_value.intact() ? by_value.value() : -1;
}

awaitable<int> look_at(const tracked& by_reference) {
  co_await pause();
  co_return by_reference.intact() ? by_reference.value() : -1;
}

awaitable<int> sum(plain_pair pair) {
  co_await pause();
  co_return pair.first + pair.second;
}

awaitable<std::vector<tracked>> make_three() {
  co_await pause();
  std::vector<tracked> three;
  for (int i = 1; i <= 3; ++i) three.emplace_back(i);
  co_return three;
}

awaitable<int> fail() {
  co_await pause();
  throw std::runtime_error(long_text);
}

// Runs one shape to its end and gives what it returned.
int run(awaitable<int> shape) {
  asio::io_context io;
  std::optional<int> result;
  std::exception_ptr failure;
  asio::co_spawn(io, std::move(shape), [&](std::exception_ptr e, int value) {
    failure = e;
    result = value;
  });
  io.run();
  if (failure) std::rethrow_exception(failure);
  return result.value();
}

awaitable<int> named_condition() {
  const bool yes = co_await answer(true);
  if (yes) co_return 7;
  co_return 0;
}

awaitable<int> named_loop_condition() {
  int rounds = 0;
  for (;;) {
    const bool more = co_await answer(rounds < 5);
    if (!more) break;
    ++rounds;
  }
  co_return rounds;
}

awaitable<int> if_and_else() {
  const bool yes = co_await answer(true);
  std::optional<tracked> chosen;
  if (yes) {
    chosen = co_await make(4);
  } else {
    chosen.emplace(5);
  }
  co_return chosen->value();
}

awaitable<int> range_for() {
  int total = 0;
  for (const tracked& each : co_await make_three()) total += each.value();
  co_return total;
}

awaitable<int> await_within_range_for() {
  const std::vector<tracked> three = co_await make_three();
  int total = 0;
  for (const tracked& each : three) total += co_await look_at(each);
  co_return total;
}

awaitable<std::pair<tracked, int>> make_pair_of() {
  co_await pause();
  co_return std::pair<tracked, int>(tracked(3), 4);
}

awaitable<int> structured_binding_to_named_result() {
  auto both = co_await make_pair_of();
  auto& [first, second] = both;
  const int third = co_await number(5);
  co_return first.value() + second + third;
}

awaitable<int> switch_on_plain_value(int which) {
  switch (which) {
    case 1: co_return co_await number(10);
    case 2: {
      tracked local = co_await make(20);
      const int value = co_await look_at(local);
      co_return value;
    }
    default: break;
  }
  co_return co_await number(30);
}

awaitable<int> try_and_catch() {
  tracked before(1);
  bool caught = false;
  try {
    tracked within(2);
    const int never = co_await fail();
    co_return never;
  } catch (const std::runtime_error& e) {
    caught = e.what() == long_text;
  }
  // After the handler: a handler itself may not wait.
  const int value = co_await look_at(before);
  co_return caught ? value : -1;
}

awaitable<int> lifetime_extension() {
  const tracked& kept = co_await make(6);
  const int value = co_await look_at(kept);
  co_return value + kept.value();
}

awaitable<int> temporary_of_a_class_with_constructors() {
  const int by_value = co_await take(tracked(8));
  const int by_reference = co_await look_at(tracked(9));
  co_return by_value + by_reference;
}

awaitable<int> moved_named_object() {
  tracked named(11);
  const int value = co_await take(std::move(named));
  co_return value;
}

awaitable<int> named_aggregate() {
  plain_pair pair{5, 6};
  const int value = co_await sum(pair);
  co_return value;
}

awaitable<int> take_variant(std::variant<int, std::string> value) {
  co_await pause();
  co_return std::get<std::string>(value) == long_text ? 12 : -1;
}

awaitable<int> take_optional(std::optional<tracked> value) {
  co_await pause();
  co_return value->value();
}

awaitable<int> take_tuple(std::tuple<tracked, std::string> value) {
  co_await pause();
  co_return std::get<1>(value) == long_text ? std::get<0>(value).value() : -1;
}

awaitable<int> temporaries_of_standard_wrappers() {
  const int a = co_await take_variant(std::variant<int, std::string>(long_text));
  const int b = co_await take_optional(std::optional<tracked>(tracked(13)));
  const int c = co_await take_tuple(std::make_tuple(tracked(14), long_text));
  co_return a + b + c;
}

class base {
 public:
  virtual ~base() = default;
  virtual awaitable<int> ask(const tracked& subject, std::string text) {
    co_await pause();
    co_return text == long_text ? subject.value() : -1;
  }
};

class derived : public base {
 public:
  awaitable<int> ask(const tracked& subject, std::string text) override {
    const int own = co_await look_at(own_);
    const int inherited = co_await base::ask(subject, std::move(text));
    co_return own + inherited;
  }

 private:
  tracked own_ = tracked(100);
};

awaitable<int> virtual_coroutine() {
  const std::unique_ptr<base> object = std::make_unique<derived>();
  const tracked subject(1);
  const int value = co_await object->ask(subject, long_text);
  co_return value;
}

awaitable<int> lambda_without_captures() {
  const auto twice = [](auto subject) -> awaitable<int> {
    const int value = co_await look_at(subject);
    co_return 2 * value;
  };
  const int value = co_await twice(tracked(15));
  co_return value;
}

awaitable<int> call_back(const auto& function) {
  co_await pause();
  co_return function();
}

awaitable<int> named_lambda_with_captures() {
  const tracked subject(16);
  const auto function = [subject] { return subject.value(); };
  const int value = co_await call_back(function);
  co_return value;
}

awaitable<int> named_container() {
  const std::vector<std::string> words{"a", long_text};
  const std::map<std::string, tracked> by_name{{"one", tracked(1)}, {"two", tracked(2)}};
  int total = 0;
  for (const auto& [name, each] : by_name) total += co_await look_at(each);
  co_return total + static_cast<int>(words.size());
}

awaitable<tracked> throws_with_result(bool now) {
  tracked local(1);
  co_await pause();
  if (now) throw std::logic_error("now");
  co_return local;
}

awaitable<int> exception_past_locals() {
  tracked outer(2);
  int caught = 0;
  try {
    const tracked result = co_await throws_with_result(true);
    co_return result.value();
  } catch (const std::logic_error&) {
    ++caught;
  }
  const tracked second = co_await throws_with_result(false);
  co_return caught + second.value() + outer.value();
}

awaitable<int> many_awaits() {
  constexpr int rounds = 200'000;
  int done = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto ready = []() -> awaitable<int> { co_return 1; };
    done += co_await ready();
  }
  co_return done;
}

awaitable<int> recursion(int depth) {
  if (depth == 0) co_return 0;
  const tracked local(depth);
  const int below = co_await recursion(depth - 1);
  co_return below + (local.intact() ? 1 : 0);
}

struct shape {
  const char* name;
  awaitable<int> (*start)();
  int expected;
};

awaitable<int> switch_first() { return switch_on_plain_value(1); }
awaitable<int> switch_second() { return switch_on_plain_value(2); }
awaitable<int> switch_default() { return switch_on_plain_value(3); }
awaitable<int> recursion_100() { return recursion(100); }

constexpr std::array shapes{
    shape{"named_condition", named_condition, 7},
    shape{"named_loop_condition", named_loop_condition, 5},
    shape{"if_and_else", if_and_else, 4},
    shape{"range_for", range_for, 6},
    shape{"await_within_range_for", await_within_range_for, 6},
    shape{"structured_binding", structured_binding_to_named_result, 12},
    shape{"switch_first", switch_first, 10},
    shape{"switch_second", switch_second, 20},
    shape{"switch_default", switch_default, 30},
    shape{"try_and_catch", try_and_catch, 1},
    shape{"lifetime_extension", lifetime_extension, 12},
    shape{"class_temporary", temporary_of_a_class_with_constructors, 17},
    shape{"moved_named_object", moved_named_object, 11},
    shape{"named_aggregate", named_aggregate, 11},
    shape{"standard_wrappers", temporaries_of_standard_wrappers, 39},
    shape{"virtual_coroutine", virtual_coroutine, 101},
    shape{"lambda_without_captures", lambda_without_captures, 30},
    shape{"named_lambda_with_captures", named_lambda_with_captures, 16},
    shape{"named_container", named_container, 5},
    shape{"exception_past_locals", exception_past_locals, 4},
    shape{"many_awaits", many_awaits, 200'000},
    shape{"recursion", recursion_100, 100},
};

class coroutine_canary : public testing::TestWithParam<shape> {};

TEST_P(coroutine_canary, gives_its_result_and_destroys_each_object_once) {
  ASSERT_EQ(tracked::live, 0);
  EXPECT_EQ(run(GetParam().start()), GetParam().expected);
  EXPECT_EQ(tracked::live, 0);
  tracked::live = 0;
}

// A coroutine that is destroyed while it waits destroys its locals, once.
TEST(coroutine_canary, destruction_of_a_waiting_coroutine) {
  {
    asio::io_context io;
    asio::co_spawn(io, exception_past_locals(), [](std::exception_ptr, int) {});
    io.run_one();
    io.run_one();
  }
  EXPECT_EQ(tracked::live, 0);
}

INSTANTIATE_TEST_SUITE_P(shapes, coroutine_canary, testing::ValuesIn(shapes),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
