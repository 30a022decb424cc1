#include "examples/identity/batch.hpp"

#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <deque>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "examples/identity/report.hpp"

namespace identity {

namespace {

using json = nlohmann::json;

// A number, or its digits in a string.
bool take_now(request& into, const json& value) {
  if (value.is_string()) return into.set_now(value.get<std::string>());
  return value.is_number_unsigned() && into.set_now(value.dump());
}

// What of the request is wrong; empty: nothing.
std::string take(request& into, const std::string& name, const json& value) {
  if (name == "now") return take_now(into, value) ? "" : "now wants a number of seconds since 1970";
  if (!value.is_string()) return name + " wants a string";
  const std::string text = value.get<std::string>();
  if (name == "client_address") {
    if (text.empty()) return {};  // as if it were not there
    return into.set_client(text) ? "" : "client_address: \"" + text + "\" is not an IP address";
  }
  if (name == "helo")
    into.helo = text;
  else if (name == "mail_from")
    into.set_mail_from(text);
  else if (name == "message")
    into.message_file = text;
  else
    return "\"" + name + "\" is not part of a request";
  return into.message_file == "-" ? "message wants a file" : "";
}

std::string read_request(std::string_view line, request& into) {
  if (line.size() > longest_line) return "the line is too long for a request";
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return "the line is not a JSON object";
  for (const auto& [name, value] : object.items()) {
    if (value.is_null()) continue;
    const std::string wrong = take(into, name, value);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

// One line of `in` without its end, cut behind longest_line. False: there is none.
bool read_line(std::FILE* in, std::string& line) {
  line.clear();
  int c = getc_unlocked(in);
  if (c == EOF) return false;
  for (; c != EOF && c != '\n'; c = getc_unlocked(in))
    if (line.size() <= longest_line) line += static_cast<char>(c);
  return true;
}

class batch {
 public:
  batch(asio::io_context& io, gatepost::smtp::dns::resolver& resolver, const rules& by,
        fixed_time now, std::FILE* out)
      : io_(io),
        resolver_(resolver),
        rules_(by),
        now_(now),
        out_(out),
        going_on_(io.get_executor()) {}

  std::size_t run(std::FILE* in) {
    std::thread reader([this, in] { read(in); });
    io_.run();
    reader.join();
    std::fflush(out_);
    return failed_;
  }

 private:
  struct slot {
    std::string answer;
    bool done = false;
  };

  // The reader's thread: reading may wait for whoever writes.
  void read(std::FILE* in) {
    std::string line;
    while (read_line(in, line)) {
      lines_.acquire();
      room_.acquire();
      asio::post(io_, [this, line] { begin(line); });
    }
    asio::post(io_, [this] { ended_ = true, stop_if_done(); });
  }

  void begin(const std::string& line) {
    slots_.push_back(std::make_shared<slot>());
    const std::shared_ptr<slot> mine = slots_.back();
    request what;
    if (now_) what.now = *now_;
    const std::string wrong = read_request(line, what);
    if (!wrong.empty()) return finish(mine, error_as_json(wrong), false);
    asio::co_spawn(io_, evaluate(resolver_, std::move(what), rules_),
                   [this, mine](const std::exception_ptr& failed, const findings& found) {
                     if (failed) return finish(mine, error_as_json("cannot be evaluated"), false);
                     finish(mine, as_json(found), found.error.empty());
                   });
  }

  void finish(const std::shared_ptr<slot>& mine, std::string answer, bool good) {
    mine->answer = std::move(answer);
    mine->done = true;
    room_.release();
    failed_ += good ? 0 : 1;
    while (!slots_.empty() && slots_.front()->done) {
      std::string line = std::move(slots_.front()->answer);
      line += '\n';
      std::fwrite(line.data(), 1, line.size(), out_);
      slots_.pop_front();
      lines_.release();
    }
    // Whoever asks one by one waits for the answer before the next question.
    if (slots_.empty()) std::fflush(out_);
    stop_if_done();
  }

  // The resolver's sockets would keep the loop running.
  void stop_if_done() {
    if (ended_ && slots_.empty()) io_.stop();
  }

  asio::io_context& io_;
  gatepost::smtp::dns::resolver& resolver_;
  const rules& rules_;
  fixed_time now_;
  std::FILE* out_;
  asio::executor_work_guard<asio::io_context::executor_type> going_on_;
  std::counting_semaphore<kept_at_once> lines_{kept_at_once};
  std::counting_semaphore<at_once> room_{at_once};
  std::deque<std::shared_ptr<slot>> slots_;  // in the order of the lines
  std::size_t failed_ = 0;
  bool ended_ = false;  // all lines have been read
};

}  // namespace

std::size_t run_batch(asio::io_context& io, gatepost::smtp::dns::resolver& resolver,
                      const rules& by, fixed_time now, std::FILE* in, std::FILE* out) {
  return batch(io, resolver, by, now, out).run(in);
}

}  // namespace identity
