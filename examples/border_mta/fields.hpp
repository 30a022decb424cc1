// The keys of the configuration, told once: to whoever reads values from a file, and to whoever
// writes them into one.
//
//     void visit(fields& f, retry_options& o) {
//       f.wait("first", o.first, {1s, 24h});
//       f.number("attempts", o.attempts, {1, 100});
//     }
//
// read_fields (reader.hpp) leaves a value as it is where its key is absent, and reports what is
// wrong with one that is there; write_fields (writer.hpp) changes nothing.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_FIELDS_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_FIELDS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/ip.hpp"

namespace border_mta {

// What a value may be. `or_none`: 0 too, which then means that there is no limit.
template <class T>
struct range {
  T least;
  T most;
  bool or_none = false;
};

template <class T>
constexpr range<T> or_none(T least, T most) {
  return {least, most, true};
}

using milliseconds = std::chrono::milliseconds;

class fields {
 public:
  virtual ~fields() = default;

  // --- Values
  // --------------------------------------------------------------------------------------
  virtual void flag(std::string_view key, bool& value) = 0;
  virtual void text(std::string_view key, std::string& value) = 0;
  // A file or folder; relative ones are under the base folder. Empty: none.
  virtual void path(std::string_view key, std::string& value) = 0;
  virtual void texts(std::string_view key, std::vector<std::string>& value) = 0;
  virtual void networks(std::string_view key, gatepost::smtp::network_set& value) = 0;
  virtual void real(std::string_view key, double& value, range<double> allowed) = 0;
  // Nothing, where the key is absent.
  virtual void real(std::string_view key, std::optional<double>& value, range<double> allowed) = 0;

  template <class T>
  void number(std::string_view key, T& value, range<std::uint64_t> allowed) {
    value = static_cast<T>(whole(key, static_cast<std::uint64_t>(value), allowed));
  }
  template <class T>
  void octets(std::string_view key, T& value, range<std::uint64_t> allowed) {
    value = static_cast<T>(size(key, static_cast<std::uint64_t>(value), allowed));
  }
  template <class Duration>
  void wait(std::string_view key, Duration& value, range<milliseconds> allowed) {
    const auto now = std::chrono::duration_cast<milliseconds>(value);
    value = std::chrono::duration_cast<Duration>(time(key, now, allowed));
  }
  template <class E>
  void choice(std::string_view key, E& value,
              std::initializer_list<std::pair<std::string_view, E>> names) {
    std::vector<std::string_view> words;
    std::size_t index = 0;
    for (const auto& [name, e] : names) {
      if (e == value) index = words.size();
      words.push_back(name);
    }
    value = (names.begin() + one_of(key, index, words))->second;
  }

  // --- Structure
  // ----------------------------------------------------------------------------------- `visit` is
  // called once, with this table as the place of the keys that it names. In a visit, tables come
  // after values.
  template <class Visit>
  void table(std::string_view key, Visit visit) {
    enter(key);
    visit();
    leave();
  }
  // A list of tables. Where the key is there, the list has that many copies of `prototype`, each of
  // which is then visited.
  template <class T, class Visit>
  void tables(std::string_view key, std::vector<T>& list, const T& prototype, Visit visit) {
    if (const std::optional<std::size_t> count = items(key, list.size()))
      list.assign(*count, prototype);
    for (std::size_t i = 0; i < list.size(); ++i) {
      enter_item(key, i);
      visit(list[i]);
      leave();
    }
  }

  // --- What the types do not tell
  // ------------------------------------------------------------------ Something is wrong with the
  // value of `key` in the table that is visited, or with the table where it has no such key;
  // `remedy` says what to write instead.
  virtual void reject(std::string_view key, std::string what, std::string remedy) = 0;
  // The same for one entry of the list `key`.
  virtual void reject_item(std::string_view key, std::size_t index, std::string what,
                           std::string remedy) = 0;
  // What other keys say leaves the key, or the table, without a use: an error where the file has
  // it.
  virtual void unused(std::string_view key, std::string why, std::string remedy) = 0;
  // Whether the file has the key.
  virtual bool has(std::string_view key) = 0;

 protected:
  virtual std::uint64_t whole(std::string_view key, std::uint64_t now,
                              range<std::uint64_t> allowed) = 0;
  virtual std::uint64_t size(std::string_view key, std::uint64_t now,
                             range<std::uint64_t> allowed) = 0;
  virtual milliseconds time(std::string_view key, milliseconds now,
                            range<milliseconds> allowed) = 0;
  virtual std::size_t one_of(std::string_view key, std::size_t now,
                             const std::vector<std::string_view>& words) = 0;
  virtual void enter(std::string_view key) = 0;
  // How many tables the list has in the file; nothing where it is not there, or nothing is read.
  virtual std::optional<std::size_t> items(std::string_view key, std::size_t now) = 0;
  virtual void enter_item(std::string_view key, std::size_t index) = 0;
  virtual void leave() = 0;
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_FIELDS_HPP
