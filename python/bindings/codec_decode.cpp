#include "codec_decode.hpp"

#include <array>
#include <vector>

namespace odeon::python::codecs {

namespace {

class decoder : decoder_base {
 public:
  using decoder_base::decoder_base;

  PyObject* message(std::string_view manifest, int version) {
    if (left() > codec_->bounds.max_bytes) {
      fail(std::to_string(left()) + " bytes are more than the allowed " +
           std::to_string(codec_->bounds.max_bytes));
      return raise();
    }
    owned made;
    const plan* last = codec_->last.load(std::memory_order_acquire);  // it is seen complete
    if (manifest == value_manifest) {
      made = any();
    } else if (last != nullptr && last->version == version && last->manifest_text == manifest) {
      made = by_plan(*last);
    } else {
      const owned name(
          PyUnicode_DecodeUTF8(manifest.data(), static_cast<Py_ssize_t>(manifest.size()), nullptr));
      made = name ? object(name.get(), version) : none({});
    }
    if (made && at_ != end_) made = none("bytes are left behind the value");
    return made ? made.release() : raise();
  }

 private:
  // --- numbers ---------------------------------------------------------------------------------

  owned integer() {
    if (at_ == end_) return expected("an integer");
    const unsigned char tag = *at_;
    if (tag < 0x80 || tag >= 0xe0) {
      ++at_;
      return owned(PyLong_FromLong(static_cast<signed char>(tag)));
    }
    if (!charge(32)) return {};
    switch (tag) {
      case 0xcc: return number<std::uint8_t, std::uint8_t>();
      case 0xcd: return number<std::uint16_t, std::uint16_t>();
      case 0xce: return number<std::uint32_t, std::uint32_t>();
      case 0xcf: return number<std::uint64_t, std::uint64_t>();
      case 0xd0: return number<std::uint8_t, std::int8_t>();
      case 0xd1: return number<std::uint16_t, std::int16_t>();
      case 0xd2: return number<std::uint32_t, std::int32_t>();
      case 0xd3: return number<std::uint64_t, std::int64_t>();
      default: break;
    }
    if (peek_extension() == ext_integer) return extension();
    return expected("an integer");
  }

  owned real() {
    if (at_ == end_) return expected("a float");
    if (*at_ == 0xcb) {
      std::uint64_t v = 0;
      if (!charge(24) || !take(v)) return {};
      return owned(PyFloat_FromDouble(std::bit_cast<double>(v)));
    }
    if (*at_ == 0xca) {
      std::uint32_t v = 0;
      if (!charge(24) || !take(v)) return {};
      return owned(PyFloat_FromDouble(static_cast<double>(std::bit_cast<float>(v))));
    }
    if (found() != "an integer") return expected("a float");
    const owned whole = integer();
    if (!whole) return {};
    return owned(PyFloat_FromDouble(PyLong_AsDouble(whole.get())));
  }

  // --- containers ------------------------------------------------------------------------------

  // Null type: elements say what they are.
  owned element(const node* type) { return type == nullptr ? any() : value(*type); }

  owned list(const node* type) {
    std::size_t n = 0;
    if (!enter_array(n)) return {};
    owned made(PyList_New(static_cast<Py_ssize_t>(n)));
    for (std::size_t i = 0; made && i < n; ++i) {
      owned one = element(type);
      if (!one) return in_element(i);
      PyList_SET_ITEM(made.get(), static_cast<Py_ssize_t>(i), one.release());
    }
    leave();
    return made;
  }

  // `items` is null for a tuple of any length.
  owned tuple(const node* type, const std::vector<const node*>* items) {
    const unsigned char* start = at_;
    std::size_t n = 0;
    if (!enter_array(n)) return {};
    if (items != nullptr && n != items->size()) {
      return none_at(start, "expected an array of " + std::to_string(items->size()) +
                                ", found one of " + std::to_string(n));
    }
    owned made(PyTuple_New(static_cast<Py_ssize_t>(n)));
    for (std::size_t i = 0; made && i < n; ++i) {
      owned one = element(items != nullptr ? (*items)[i] : type);
      if (!one) return in_element(i);
      PyTuple_SET_ITEM(made.get(), static_cast<Py_ssize_t>(i), one.release());
    }
    leave();
    return made;
  }

  owned set(const node* type, bool frozen) {
    std::size_t n = 0;
    if (!enter_array(n, cost_of_entry)) return {};
    owned made(frozen ? PyFrozenSet_New(nullptr) : PySet_New(nullptr));
    for (std::size_t i = 0; made && i < n; ++i) {
      const unsigned char* start = at_;
      const owned one = element(type);
      if (!one) return in_element(i);
      if (PySet_Add(made.get(), one.get()) != 0) return unhashable(start);
      if (PySet_GET_SIZE(made.get()) != static_cast<Py_ssize_t>(i + 1)) {
        return none_at(start, "the element is in the set already");
      }
    }
    leave();
    return made;
  }

  owned unhashable(const unsigned char* start) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) != 0) PyErr_Clear();
    return none_at(start, "the value cannot be hashed");
  }

  owned dict(const node* key_type, const node* type) {
    std::size_t n = 0;
    if (!enter_map(n)) return {};
    owned made(PyDict_New());
    for (std::size_t i = 0; made && i < n; ++i) {
      const unsigned char* start = at_;
      const owned key = element(key_type);
      if (!key) {
        in("[key " + std::to_string(i) + "]");
        return {};
      }
      const owned held = element(type);
      if (!held) return in_entry(key.get());
      if (PyDict_SetItem(made.get(), key.get(), held.get()) != 0) return unhashable(start);
      if (PyDict_GET_SIZE(made.get()) != static_cast<Py_ssize_t>(i + 1)) {
        return none_at(start, "the key is in the map already");
      }
    }
    leave();
    return made;
  }

  owned in_entry(PyObject* key) {
    const char* shown = nullptr;
    if (PyUnicode_CheckExact(key)) shown = PyUnicode_AsUTF8(key);
    in(shown != nullptr ? "[" + quoted(shown) + "]" : "[entry]");
    return {};
  }

  // --- values with a declared type -------------------------------------------------------------

  owned value(const node& n) {
    switch (n.kind) {
      case node_kind::integer: return integer();
      case node_kind::text: return text();
      case node_kind::floating: return real();
      case node_kind::boolean: return boolean();
      case node_kind::any: return any();
      case node_kind::nil: return nil() ? owned::share(Py_None) : expected("nil");
      case node_kind::bytes: return bytes();
      case node_kind::optional: return nil() ? owned::share(Py_None) : value(*n.a);
      case node_kind::list: return list(n.a);
      case node_kind::sequence: return tuple(n.a, nullptr);
      case node_kind::tuple: return tuple(nullptr, &n.items);
      case node_kind::set: return set(n.a, false);
      case node_kind::frozenset: return set(n.a, true);
      case node_kind::dict: return dict(n.a, n.b);
      case node_kind::variant: return variant(n);
      case node_kind::object: return object(n);
      case node_kind::reference: return reference();
      case node_kind::converted: return convert(n.second, *n.a);
    }
    return {};
  }

  owned reference() {
    const owned address = text();
    if (!address) return {};
    return called(owned(PyObject_CallOneArg(codec_->hooks[hook_ref_in], address.get())));
  }

  // A result of Python code, whose failure has a place from here on.
  owned called(owned made) {
    if (!made) fail({});
    return made;
  }

  owned convert(PyObject* callable, const node& through) {
    const unsigned char* start = at_;
    if (!deeper(start)) return {};
    const owned held = value(through);
    if (!held) return {};
    leave();
    owned made(PyObject_CallOneArg(callable, held.get()));
    return made ? std::move(made) : none_at(start, {});
  }

  owned object(const node& n) {
    auto* type = reinterpret_cast<PyTypeObject*>(n.first);
    if (peek_extension() >= 0) {  // another class, one that derives from this one
      const unsigned char* start = at_;
      owned made = any();
      if (!made) return {};
      const int fits = PyObject_IsInstance(made.get(), n.first);
      if (fits > 0) return made;
      return fits < 0 ? none_at(start, {})
                      : none_at(start, std::string("expected ") + type->tp_name + ", found " +
                                           Py_TYPE(made.get())->tp_name);
    }
    const plan* p = find_plan(codec_, type);
    if (p == nullptr && PyErr_Occurred() == nullptr) {
      const owned described(
          PyObject_CallFunction(codec_->hooks[hook_describe], "OI", n.first, flags_));
      if (described) p = find_plan(codec_, type);
    }
    if (p == nullptr) {
      return none(PyErr_Occurred() != nullptr ? std::string()
                                              : std::string("no codec for ") + type->tp_name);
    }
    return by_plan(*p);
  }

  owned variant(const node& n) {
    const unsigned char* start = at_;
    const bool by_label = at_map();
    std::size_t count = 0;
    if (by_label ? !enter_map(count) : !enter_array(count)) return {};
    if (count != (by_label ? 1U : 2U)) {
      return none_at(
          start, by_label ? "a variant is a map of one member" : "a variant is an array of two");
    }
    const alternative* chosen = by_label ? labelled(n) : counted(n);
    if (chosen == nullptr) return {};
    owned made = value(*chosen->type);
    leave();
    return made;
  }

  const alternative* labelled(const node& n) {
    const unsigned char* start = at_;
    std::string_view label;
    if (!raw_text(label)) return nullptr;
    for (const alternative& a : n.alternatives) {
      if (std::ranges::find(a.labels, label) != a.labels.end()) return &a;
    }
    fail_at(start, quoted(label) + " is no alternative");
    return nullptr;
  }

  const alternative* counted(const node& n) {
    const unsigned char* start = at_;
    const owned index = integer();
    if (!index) return nullptr;
    const std::size_t i = PyLong_AsSize_t(index.get());
    if (i < n.alternatives.size()) return &n.alternatives[i];
    PyErr_Clear();
    fail_at(start, "no such alternative");
    return nullptr;
  }

  // --- classes ---------------------------------------------------------------------------------

  // By manifest: what arrived names its class.
  owned object(PyObject* manifest, long version) {
    const unsigned char* start = at_;
    PyObject* found = PyDict_GetItemWithError(codec_->by_manifest, manifest);
    if (found == nullptr && PyErr_Occurred() == nullptr && codec_->hooks[hook_resolve] != Py_None) {
      const owned made(PyObject_CallFunction(codec_->hooks[hook_resolve], "OI", manifest, flags_));
      if (made) found = PyDict_GetItemWithError(codec_->by_manifest, manifest);
    }
    const char* name = PyErr_Occurred() == nullptr ? PyUnicode_AsUTF8(manifest) : nullptr;
    if (found == nullptr) {
      return none_at(start,
                     name == nullptr ? std::string() : "no class is registered as " + quoted(name));
    }
    const plan& p = *reinterpret_cast<plan_object*>(found)->made;
    if (version == p.version) {
      if (start == begin_) codec_->last.store(&p, std::memory_order_release);
      return by_plan(p);
    }
    const std::string place = p.manifest_text + ", version " + std::to_string(version);
    if (version > p.version) {
      return none_at(start,
                     place + ": this program knows versions up to " + std::to_string(p.version));
    }
    return older(p, version, place);
  }

  // p.upcast: version -> None, or (Plan or None, callable).
  owned older(const plan& p, long version, const std::string& place) {
    const unsigned char* start = at_;
    owned way;
    if (p.upcast != Py_None) {
      way = owned(PyObject_CallFunction(p.upcast, "l", version));
      if (!way) return none_at(start, {});
    }
    if (!way || !PyTuple_Check(way.get()) || PyTuple_GET_SIZE(way.get()) != 2) {
      return none_at(start,
                     place + ": nothing upcasts from it to version " + std::to_string(p.version));
    }
    PyObject* old_plan = PyTuple_GET_ITEM(way.get(), 0);
    owned old;
    if (old_plan == Py_None) {
      old = any();
    } else if (Py_TYPE(old_plan) == codec_->plan_type) {
      old = by_plan(*reinterpret_cast<plan_object*>(old_plan)->made);
    } else {
      return none_at(start, place + ": upcast gave no plan");
    }
    if (!old) return {};
    owned made(PyObject_CallOneArg(PyTuple_GET_ITEM(way.get(), 1), old.get()));
    return made ? std::move(made) : none_at(start, {});
  }

  owned by_plan(const plan& p) {
    switch (p.kind) {
      case plan_kind::record: return record(p);
      case plan_kind::enumeration: return enumeration(p);
      case plan_kind::converted: return convert(p.decode, *p.through);
    }
    return {};
  }

  owned enumeration(const plan& p) {
    const unsigned char* start = at_;
    const owned key = any();
    if (!key) return {};
    PyObject* member = PyDict_GetItemWithError(p.by_value, key.get());
    if (member == nullptr && PyErr_Occurred() == nullptr && PyUnicode_CheckExact(key.get())) {
      member = PyDict_GetItemWithError(p.by_name, key.get());
    }
    if (member != nullptr) return owned::share(member);
    if (PyErr_Occurred() != nullptr) return unhashable(start);
    owned made(PyObject_CallOneArg(reinterpret_cast<PyObject*>(p.type), key.get()));
    return made ? std::move(made) : none_at(start, {});
  }

  // The fields of one record as they arrive.
  struct held_fields {
    static constexpr std::size_t inside = 24;
    explicit held_fields(std::size_t n) : count(n), all(n <= inside ? few.data() : nullptr) {
      if (all == nullptr) {
        many.resize(n);
        all = many.data();
      }
      std::fill_n(all, n, nullptr);
    }
    held_fields(const held_fields&) = delete;
    held_fields& operator=(const held_fields&) = delete;
    ~held_fields() {
      for (std::size_t i = 0; i < count; ++i) Py_XDECREF(all[i]);
    }
    std::size_t count;
    std::array<PyObject*, inside> few;
    std::vector<PyObject*> many;
    PyObject** all;
  };

  owned record(const plan& p) {
    const unsigned char* start = at_;
    held_fields fields(p.fields.size());
    if (at_map() ? !by_name(p, fields.all) : !by_position(p, fields.all)) return {};
    for (std::size_t i = 0; i < fields.count; ++i) {
      if (fields.all[i] != nullptr) continue;
      const plan_field& f = p.fields[i];
      if (f.fallback != nullptr) {
        fields.all[i] = Py_NewRef(f.fallback);
      } else if (p.made_by == maker::keywords || p.made_by == maker::mapping) {
        continue;  // the class fills it in, or says that it is missing
      } else if (f.factory == nullptr) {
        return none_at(start, "the field " + quoted(f.text) + " of " + p.title + " is not there");
      } else if ((fields.all[i] = PyObject_CallNoArgs(f.factory)) == nullptr) {
        return none_at(start, {});
      }
    }
    owned made = make(p, fields.all);
    if (!made) fail_at(start, {});
    return made;
  }

  bool by_name(const plan& p, PyObject** fields) {
    std::size_t n = 0;
    if (!enter_map(n, cost_of_item)) return false;
    std::size_t likely = 0;  // fields usually come in the order in which they were declared
    for (std::size_t k = 0; k < n; ++k) {
      const unsigned char* start = at_;
      std::size_t i = likely;
      if (i < p.fields.size() && left() > p.fields[i].key.size() &&
          std::memcmp(at_, p.fields[i].key.data(), p.fields[i].key.size()) == 0) [[likely]] {
        at_ += p.fields[i].key.size();
      } else {
        if (found() != "a string") {  // a key of another kind is a field that is not known
          if (!skip() || !skip()) return false;
          continue;
        }
        std::string_view name;
        if (!raw_text(name)) return false;
        for (i = 0; i < p.fields.size() && p.fields[i].text != name;) ++i;
      }
      if (i == p.fields.size()) {
        if (!skip()) return false;
        continue;
      }
      if (fields[i] != nullptr) {
        return fail_at(start, "the field " + quoted(p.fields[i].text) + " is there twice");
      }
      if (!field(p, fields, i)) return false;
      likely = i + 1;
    }
    leave();
    return true;
  }

  bool by_position(const plan& p, PyObject** fields) {
    if (!at_array()) {
      expected("a map");
      return false;
    }
    std::size_t n = 0;
    if (!enter_array(n)) return false;
    for (std::size_t i = 0; i < n; ++i) {
      if (i < p.fields.size() ? !field(p, fields, i) : !skip()) return false;
    }
    leave();
    return true;
  }

  bool field(const plan& p, PyObject** fields, std::size_t i) {
    fields[i] = value(*p.fields[i].type).release();
    if (fields[i] == nullptr) in_field(p, i);
    return fields[i] != nullptr;
  }

  static owned make(const plan& p, PyObject** fields) {
    const std::size_t n = p.fields.size();
    if (p.made_by == maker::fields) return blank_with(p, fields);
    if (p.made_by == maker::named_tuple) {
      const owned all(PyTuple_New(static_cast<Py_ssize_t>(n)));
      if (!all) return {};
      for (std::size_t i = 0; i < n; ++i) {
        PyTuple_SET_ITEM(all.get(), static_cast<Py_ssize_t>(i), Py_NewRef(fields[i]));
      }
      const owned args(PyTuple_Pack(1, all.get()));
      return args ? owned(PyTuple_Type.tp_new(p.type, args.get(), nullptr)) : owned{};
    }
    const owned named(PyDict_New());
    if (!named) return {};
    for (std::size_t i = 0; i < n; ++i) {
      if (fields[i] != nullptr && PyDict_SetItem(named.get(), p.fields[i].name, fields[i]) != 0) {
        return {};
      }
    }
    if (p.made_by == maker::mapping) return owned(PyObject_CallOneArg(p.make, named.get()));
    const owned empty(PyTuple_New(0));
    return empty ? owned(PyObject_Call(p.make, empty.get(), named.get())) : owned{};
  }

  static owned blank_with(const plan& p, PyObject** fields) {
    const owned empty(PyTuple_New(0));
    if (!empty) return {};
    owned made(p.type->tp_new(p.type, empty.get(), nullptr));
    if (!made) return {};
    for (std::size_t i = 0; i < p.fields.size(); ++i) {
      // Past a __setattr__ of the class: that of a frozen one refuses.
      if (PyObject_GenericSetAttr(made.get(), p.fields[i].name, fields[i]) != 0) return {};
    }
    if (p.post_init != nullptr) {
      const owned done(PyObject_CallMethodNoArgs(made.get(), p.post_init));
      if (!done) return {};
    }
    return made;
  }

  // --- values that say what they are -----------------------------------------------------------

  owned any() {
    if (at_ == end_) return expected("a value");
    const unsigned char tag = *at_;
    if (tag < 0x80 || tag >= 0xe0) return integer();
    if (tag < 0x90) return dict(nullptr, nullptr);
    if (tag < 0xa0) return list(nullptr);
    if (tag < 0xc0) return text();
    switch (tag) {
      case 0xc0: ++at_; return owned::share(Py_None);
      case 0xc2:
      case 0xc3: return boolean();
      case 0xc4:
      case 0xc5:
      case 0xc6: return bytes();
      case 0xca:
      case 0xcb: return real();
      case 0xd9:
      case 0xda:
      case 0xdb: return text();
      case 0xdc:
      case 0xdd: return list(nullptr);
      case 0xde:
      case 0xdf: return dict(nullptr, nullptr);
      case 0xc1: return expected("a value");
      default: break;
    }
    return tag >= 0xcc && tag <= 0xd3 ? integer() : extension();
  }

  owned extension() {
    const unsigned char* start = at_;
    unsigned type = 0;
    std::size_t n = 0;
    if (!extension_head(type, n) || !deeper(start)) return {};
    const unsigned char* outer = std::exchange(end_, at_ + n);
    owned made = content(type, start);
    if (made && at_ != end_) made = none("bytes are left behind the extension's value");
    end_ = outer;
    leave();
    return made;
  }

  owned content(unsigned type, const unsigned char* start) {
    switch (type) {
      case ext_integer: return big();
      case ext_tuple: return tuple(nullptr, nullptr);
      case ext_set: return set(nullptr, false);
      case ext_frozenset: return set(nullptr, true);
      case ext_object: return tagged();
      case ext_reference: return address();
      case ext_buffer: return buffer();
      case ext_exception: return hooked(hook_exception_in, start);
      case ext_pickle:
        if ((flags_ & codec_pickle) == 0) {
          return none_at(start, "a pickle, which is not accepted here");
        }
        return hooked(hook_pickle_in, start);
      default: return none_at(start, "an extension of type " + std::to_string(type));
    }
  }

  owned hooked(codec_hook which, const unsigned char* start) {
    const owned parts = any();
    if (!parts) return {};
    owned made(PyObject_CallFunction(codec_->hooks[which], "OI", parts.get(), flags_));
    return made ? std::move(made) : none_at(start, {});
  }

  owned big() {
    const std::size_t n = left();
    if (n > codec_->bounds.max_string) return none("longer than allowed");
    if (!charge(cost_of_object + n)) return {};
    const owned digits(
        PyBytes_FromStringAndSize(reinterpret_cast<const char*>(at_), static_cast<Py_ssize_t>(n)));
    const owned method(
        PyObject_GetAttrString(reinterpret_cast<PyObject*>(&PyLong_Type), "from_bytes"));
    const owned args(digits ? Py_BuildValue("(Os)", digits.get(), "big") : nullptr);
    const owned words(Py_BuildValue("{s:O}", "signed", Py_True));
    if (!method || !args || !words) return {};
    at_ = end_;
    return owned(PyObject_Call(method.get(), args.get(), words.get()));
  }

  owned tagged() {
    const owned manifest = text();
    if (!manifest) return {};
    const owned version = integer();
    if (!version) return {};
    int overflow = 0;
    const long number = PyLong_AsLongAndOverflow(version.get(), &overflow);
    if (overflow != 0 || number < 1) return none("a version counts from 1");
    return object(manifest.get(), number);
  }

  owned address() {
    const unsigned char* start = at_;
    const owned text(PyUnicode_DecodeUTF8(reinterpret_cast<const char*>(at_),
                                          static_cast<Py_ssize_t>(left()), nullptr));
    if (!text) return none_at(start, {});
    at_ = end_;
    owned made(PyObject_CallOneArg(codec_->hooks[hook_ref_in], text.get()));
    return made ? std::move(made) : none_at(start, {});
  }

  owned buffer() {
    if (at_ == end_) return none("a buffer without its kind");
    const unsigned kind = *at_++;
    if (kind == buffer_bytearray || kind == buffer_view) {
      const std::size_t n = left();
      if (!charge(cost_of_object + n)) return {};
      const auto* data = reinterpret_cast<const char*>(at_);
      at_ = end_;
      if (kind == buffer_bytearray) {
        return owned(PyByteArray_FromStringAndSize(data, static_cast<Py_ssize_t>(n)));
      }
      const owned copy(PyBytes_FromStringAndSize(data, static_cast<Py_ssize_t>(n)));
      return copy ? owned(PyMemoryView_FromObject(copy.get())) : owned{};
    }
    if (kind == (buffer_view | buffer_beside)) return beside();
    return none("a buffer of an unknown kind");
  }

  owned beside() {
    const unsigned char* start = at_;
    const owned index = integer();
    const owned size = index ? integer() : owned{};
    if (!size) return {};
    const Py_ssize_t i = PyLong_AsSsize_t(index.get());
    const Py_ssize_t wanted = PyLong_AsSsize_t(size.get());
    if (PyErr_Occurred() != nullptr) PyErr_Clear();
    const Py_ssize_t count = buffers_ == nullptr ? 0 : PySequence_Size(buffers_);
    if (i < 0 || i >= count || wanted < 0) {
      return none_at(start, "a buffer that did not come with the message");
    }
    const owned held(PySequence_GetItem(buffers_, i));
    owned view(held ? PyMemoryView_FromObject(held.get()) : nullptr);
    if (!view) return none_at(start, {});
    if (PyMemoryView_GET_BUFFER(view.get())->len != wanted) {
      return none_at(start, "the buffer has another size");
    }
    return view;
  }

  // --- what is not wanted ----------------------------------------------------------------------

  bool skip() {
    if (at_ == end_) return truncated();
    const unsigned char tag = *at_;
    std::size_t n = 0;
    if (at_array() || at_map()) {
      const bool pairs = at_map();
      if (pairs ? !enter_map(n, 0) : !enter_array(n, 0)) return false;
      for (std::size_t i = 0; i < n; ++i) {
        if (!skip() || (pairs && !skip())) return false;
      }
      leave();
      return true;
    }
    if (peek_extension() >= 0) {
      unsigned type = 0;
      if (!extension_head(type, n)) return false;
      at_ += n;
      return true;
    }
    if (tag >= 0xc4 && tag <= 0xc6) {
      if (!run(1U << (tag - 0xc4U), n)) return false;
      at_ += n;
      return true;
    }
    return static_cast<bool>(any());  // a scalar
  }
};

}  // namespace

}  // namespace odeon::python::codecs

namespace odeon::python {

PyObject* codec_decode(PyObject* codec, std::string_view manifest, int version,
                       std::span<const std::byte> payload, PyObject* buffers, unsigned flags) {
  return codecs::decoder(reinterpret_cast<codecs::codec_object*>(codec), flags, payload, buffers)
      .message(manifest, version);
}

}  // namespace odeon::python
