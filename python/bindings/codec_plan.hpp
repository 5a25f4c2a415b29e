#pragma once

#define PY_SSIZE_T_CLEAN
#include <odeon/wire/codec.hpp>

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

/// @file How the values of a class are written, as data: what the codec's two halves walk.
///
/// `odeon.codecs` reads the annotations of a class and describes it by tuples; here they become
/// nodes. A plan is a Python object, immutable once made, and shared by all threads of its
/// interpreter.

namespace odeon::python::codecs {

enum class node_kind : std::uint8_t {
  any,        ///< says what it is: built-ins as MessagePack, the rest as extensions
  nil,        ///< None
  boolean,    ///< bool
  integer,    ///< int; beyond 64 bits an extension
  floating,   ///< float; an int is taken too
  text,       ///< str
  bytes,      ///< bytes; bytearray and memoryview are taken too
  list,       ///< list of `a`
  tuple,      ///< tuple of `items`, each with its type
  sequence,   ///< tuple of `a`, of any length
  set,        ///< set of `a`
  frozenset,  ///< frozenset of `a`
  dict,       ///< dict from `a` to `b`
  optional,   ///< None or `a`
  variant,    ///< one of `alternatives`, under its label
  object,     ///< an instance of the class `first`, as its plan says
  reference,  ///< an actor reference, as its address
  converted,  ///< what the callable `first` makes of the value, as `a`; `second` reads it
};

struct node;

struct alternative {
  std::vector<std::string> labels;  ///< the first is written, all are read
  PyObject* types = nullptr;        ///< tuple of classes whose values it takes
  const node* type = nullptr;
};

struct node {
  node_kind kind = node_kind::any;
  const node* a = nullptr;
  const node* b = nullptr;
  std::vector<const node*> items;
  std::vector<alternative> alternatives;
  PyObject* first = nullptr;
  PyObject* second = nullptr;
};

struct plan_field {
  PyObject* name = nullptr;  ///< interned
  std::string text;
  std::string key;  ///< the name as MessagePack
  const node* type = nullptr;
  PyObject* fallback = nullptr;  ///< value of a field that is missing; null: there is none
  PyObject* factory = nullptr;   ///< or what makes it
};

enum class plan_kind : std::uint8_t { record, enumeration, converted };

/// How a record is made from its fields.
enum class maker : std::uint8_t {
  fields,       ///< a blank instance whose attributes are set, then `__post_init__`
  named_tuple,  ///< a tuple of the class
  keywords,     ///< `make(**fields)`
  mapping,      ///< `make({name: value, ...})`
};

/// How the values of one class travel.
struct plan {
  plan_kind kind = plan_kind::record;
  PyTypeObject* type = nullptr;
  PyObject* manifest = nullptr;  ///< str
  std::string manifest_text;
  std::string title;  ///< the class's own name, for messages
  int version = 1;
  PyObject* upcast = nullptr;  ///< None, or version -> (plan or None, callable)

  // record
  std::vector<plan_field> fields;
  std::string header;  ///< the head of a map of all fields
  maker made_by = maker::fields;
  PyObject* make = nullptr;
  PyObject* post_init = nullptr;  ///< interned "__post_init__", or null

  // enumeration
  PyObject* attribute = nullptr;  ///< interned "_value_" or "_name_": what is written
  PyObject* by_value = nullptr;   ///< dict: value -> member
  PyObject* by_name = nullptr;    ///< dict: name -> member

  // converted
  PyObject* encode = nullptr;
  PyObject* decode = nullptr;
  const node* through = nullptr;

  std::deque<node> nodes;
};

struct plan_object {
  PyObject_HEAD plan* made;
};

/// One codec: the tables of `odeon.codecs.Codec`.
struct codec_object {
  PyObject_HEAD PyObject* by_type;  ///< dict: class -> Plan
  PyObject* by_manifest;            ///< dict: manifest -> Plan
  PyObject* retired;  ///< list: plans that were replaced; never freed, so none is freed in use
  PyObject* hooks[12];
  PyTypeObject* plan_type;
  std::atomic<const plan*> last;  ///< of the last message read: the next is often alike
  wire::limits bounds;
};

/// What the codec asks Python for. Indexes of `codec_object::hooks`, names of its keywords.
enum codec_hook : unsigned {
  hook_encoding_error,  ///< class
  hook_decoding_error,  ///< class
  hook_describe,        ///< class, flags -> Plan or None: a class met for the first time
  hook_resolve,         ///< manifest, flags -> Plan or None
  hook_exception_out,   ///< exception -> list
  hook_exception_in,    ///< list, flags -> exception
  hook_pickle_out,      ///< object, with buffers -> (bytes, list of buffers)
  hook_pickle_in,       ///< bytes, list of buffers -> object
  hook_ref_type,        ///< the class of actor references, or None
  hook_ref_out,         ///< reference -> str
  hook_ref_in,          ///< str -> reference
  hook_count,
};
inline constexpr std::size_t codec_hooks = hook_count;
static_assert(codec_hooks <= 12);

/// The names of MessagePack extensions that this codec writes. The numbers are stored and sent.
enum extension : std::uint8_t {
  ext_integer = 1,    ///< int beyond 64 bits: two's complement, big endian
  ext_tuple = 2,      ///< the items as an array
  ext_set = 3,        ///< the elements as an array
  ext_frozenset = 4,  ///< the elements as an array
  ext_object = 5,     ///< manifest, version, value
  ext_reference = 6,  ///< the address of an actor as UTF-8
  ext_buffer = 7,     ///< a kind byte, then bytes or where they are
  ext_exception = 8,  ///< an array: see `odeon.codecs`
  ext_pickle = 9,     ///< a pickle and its buffers
};

/// Kinds of `ext_buffer`; `buffer_beside` is added when the bytes are not inline.
enum buffer_kind : std::uint8_t {
  buffer_bytearray = 1,
  buffer_view = 2,
  buffer_beside = 0x80,
};

/// A plan from the tuples of `odeon.codecs`; a new reference, or null with an exception set.
[[nodiscard]] PyObject* make_plan(PyTypeObject* plan_type, PyObject* spec);

/// The type `Plan`, new; null with an exception set.
[[nodiscard]] PyObject* make_plan_type(PyObject* module);

/// The plan of a class that the codec knows, borrowed; null without an exception when it does not.
[[nodiscard]] const plan* find_plan(codec_object* codec, PyTypeObject* type) noexcept;

/// The head of a MessagePack text, array or map.
void append_header(std::string& out, std::size_t n, unsigned fix, unsigned tag8, unsigned tag16);

/// A reference that is dropped at the end of a scope.
class owned {
 public:
  owned() noexcept = default;
  explicit owned(PyObject* o) noexcept : o_(o) {}
  owned(owned&& other) noexcept : o_(other.release()) {}
  owned& operator=(owned&& other) noexcept {
    PyObject* mine = o_;
    o_ = other.release();
    Py_XDECREF(mine);
    return *this;
  }
  ~owned() { Py_XDECREF(o_); }

  [[nodiscard]] static owned share(PyObject* o) noexcept { return owned(Py_XNewRef(o)); }
  [[nodiscard]] PyObject* get() const noexcept { return o_; }
  [[nodiscard]] explicit operator bool() const noexcept { return o_ != nullptr; }
  [[nodiscard]] PyObject* release() noexcept {
    PyObject* o = o_;
    o_ = nullptr;
    return o;
  }

 private:
  PyObject* o_ = nullptr;
};

}  // namespace odeon::python::codecs
