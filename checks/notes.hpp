// What checks leave for later ones: values found again by their type.
//
// A session has two of these (see context.hpp): one that lives as long as the session, and one that
// is cleared when the transaction ends. A note is destroyed with its scope, so a note may also be a
// guard whose destructor gives something back. Belongs to one session, hence to one thread.
//
//     ctx.notes().emplace<helo_result>(helo_result{.resolves = true});
//     if (const auto* found = ctx.notes().find<helo_result>()) ...
#ifndef GATEPOST_CHECKS_NOTES_HPP
#define GATEPOST_CHECKS_NOTES_HPP

#include <memory>
#include <utility>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::checks {

class notes {
 public:
  notes() = default;
  notes(const notes&) = delete;
  notes& operator=(const notes&) = delete;
  ~notes() { clear(); }

  // Leaves a T made of `args` for whoever looks for a T; replaces the one that was there, if any.
  // The reference is good until the scope ends or another T replaces it.
  template <class T, class... Args>
  T& emplace(Args&&... args) {
    return put<T>(nullptr, std::forward<Args>(args)...);
  }

  // The T that was left here, or nullptr.
  template <class T>
  T* find() const {
    return static_cast<T*>(find(key_of<T>(), nullptr));
  }

  // Destroys the T that was left here, if any.
  template <class T>
  void erase() {
    std::erase_if(notes_,
                  [](const note& n) { return n.type == key_of<T>() && n.owner == nullptr; });
  }

  // The T that belongs to `owner` alone (a check passes `this`); made by its default constructor at
  // first use. For a check's own state: two checks of one class do not see each other's.
  template <class T>
  T& own(const void* owner) {
    if (void* value = find(key_of<T>(), owner)) return *static_cast<T*>(value);
    return put<T>(owner);
  }

  // Destroys all notes, the last one first.
  void clear() {
    while (!notes_.empty()) notes_.pop_back();
  }

 private:
  struct note {
    const void* type;
    const void* owner;
    std::unique_ptr<void, void (*)(void*)> value;
  };

  // One object per type, whose address is the type's name.
  template <class T>
  static inline char key = 0;

  template <class T>
  static const void* key_of() {
    return &key<T>;
  }

  template <class T, class... Args>
  T& put(const void* owner, Args&&... args) {
    std::unique_ptr<void, void (*)(void*)> value(new T(std::forward<Args>(args)...),
                                                 [](void* p) { delete static_cast<T*>(p); });
    T& made = *static_cast<T*>(value.get());
    for (note& n : notes_) {
      if (n.type != key_of<T>() || n.owner != owner) continue;
      n.value = std::move(value);
      return made;
    }
    notes_.push_back({key_of<T>(), owner, std::move(value)});
    return made;
  }

  // Linear: a session has a handful of notes.
  void* find(const void* type, const void* owner) const {
    for (const note& n : notes_)
      if (n.type == type && n.owner == owner) return n.value.get();
    return nullptr;
  }

  std::vector<note> notes_;
};

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_NOTES_HPP
