// Bounds of one rendering, and the failures that end it. Templates come from outside: none may hang or
// exhaust us.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace attune::text::jinja {

/// Bounds of one rendering. Ordinary templates stay below a thousandth of each.
struct Limits {
  std::int64_t steps = 10'000'000;  ///< evaluated nodes, loop turns, and one for each 32 bytes of text work
  std::size_t output = std::size_t{64} << 20;     ///< bytes of the rendered text, and of any one string
  std::size_t allocation = std::size_t{1} << 30;  ///< bytes of all values made during the rendering together
  std::size_t items = 1'000'000;                  ///< elements of one list
  int calls = 200;                                ///< macros and recursive loops inside each other
  int nesting = 2000;  ///< evaluation steps inside each other (guards the native stack)
};
/// Deepest nesting of lists, dicts and lazy sequences in one another.
inline constexpr int kMaxValueDepth = 500;
/// Deepest nesting of a template's syntax tree, and longest chain of operators without parentheses.
inline constexpr int kMaxSyntaxDepth = 200;
/// Largest template source, in bytes.
inline constexpr std::size_t kMaxSourceBytes = std::size_t{8} << 20;
/// The sandbox of jinja2 refuses longer ranges.
inline constexpr std::int64_t kMaxRange = 100'000;

/// Which exception Python would raise: some are caught by filters and subscripts, so they must be told apart.
enum class FailureKind {
  kSyntax,     ///< the template does not compile
  kTemplate,   ///< TemplateRuntimeError, FilterArgumentError, raise_exception
  kUndefined,  ///< use of an undefined value
  kSecurity,   ///< the sandbox refuses
  kType,
  kValue,
  kLookup,  ///< KeyError, IndexError
  kOverflow,
  kZeroDivision,
  kLimit,        ///< a bound of ours
  kUnsupported,  ///< valid Jinja that we refuse on purpose
};

/// Ends parsing or rendering. Becomes a core::Error with name and line at the public interface.
class Failure : public std::runtime_error {
 public:
  Failure(FailureKind kind, const std::string& message, int line = 0)
      : std::runtime_error(message), kind_(kind), line_(line) {}
  FailureKind kind() const { return kind_; }
  /// Line of the template, or 0 if the interpreter is to add the one that it is at.
  int line() const { return line_; }

 private:
  FailureKind kind_;
  int line_;
};

/// What is left of the bounds during one rendering.
class Budget {
 public:
  explicit Budget(const Limits& limits = Limits()) : limits_(limits) {}
  const Limits& limits() const { return limits_; }

  void step(std::int64_t count = 1) {
    steps_ += count;
    if (steps_ > limits_.steps) fail_steps();
  }
  /// Work on that many bytes of text (searching, copying, comparing).
  void work(std::size_t bytes) { step(1 + static_cast<std::int64_t>(bytes / 32)); }
  /// A new value of that size.
  void allocate(std::size_t bytes) {
    allocated_ += bytes;
    if (allocated_ > limits_.allocation) fail_allocation();
  }
  /// Refuses a text or list before it is built.
  void check_text(std::size_t bytes) const {
    if (bytes > limits_.output) fail_text();
  }
  void check_items(std::size_t count) const {
    if (count > limits_.items) fail_items();
  }

  /// Counts one level of evaluation while it lives.
  class Nested {
   public:
    explicit Nested(Budget& budget) : budget_(budget) {
      if (++budget_.nesting_ > budget_.limits_.nesting) {
        --budget_.nesting_;
        budget_.fail_nesting();
      }
    }
    ~Nested() { --budget_.nesting_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Budget& budget_;
  };

  /// Counts one macro call or recursive loop while it lives.
  class Call {
   public:
    explicit Call(Budget& budget) : budget_(budget) {
      if (++budget_.calls_ > budget_.limits_.calls) {
        --budget_.calls_;
        budget_.fail_calls();
      }
    }
    ~Call() { --budget_.calls_; }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

   private:
    Budget& budget_;
  };

 private:
  [[noreturn]] void fail_steps() const;
  [[noreturn]] void fail_allocation() const;
  [[noreturn]] void fail_text() const;
  [[noreturn]] void fail_items() const;
  [[noreturn]] void fail_nesting() const;
  [[noreturn]] void fail_calls() const;

  Limits limits_;
  std::int64_t steps_ = 0;
  std::size_t allocated_ = 0;
  int nesting_ = 0;
  int calls_ = 0;
};

}  // namespace attune::text::jinja
