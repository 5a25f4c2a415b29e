// One value in every format, an old version of it, and what the program promises.
//
//     odeon contract dump ./16_wire_formats

#include <odeon/wire/contract.hpp>
#include <odeon/wire/wire.hpp>

#include <cstdio>
#include <string>

namespace wire = odeon::wire;

namespace shop {

struct price_v1 {
  int cents = 0;
};

struct price {
  static constexpr auto manifest = "shop.price";
  static constexpr int version = 2;
  static price upcast(const price_v1& old) { return {old.cents / 100.0, "EUR"}; }

  double amount = 0;
  std::string currency = "EUR";
};

}  // namespace shop

int main(int argc, char** argv) {
  wire::registry types;
  types.add<shop::price>();
  if (wire::answer_contract_request(argc, argv, types)) return 0;

  const shop::price tea{2.5, "GBP"};
  for (const auto f :
       {wire::format::msgpack, wire::format::compact, wire::format::cbor, wire::format::json}) {
    const wire::bytes b = wire::encode(tea, f);
    const auto back = wire::decode<shop::price>(b, f);
    std::printf("%-8s %2zu bytes, read back as %.2f %s\n", std::string(wire::to_string(f)).c_str(),
                b.size(), back->amount, back->currency.c_str());
  }

  // Bytes that the first release stored.
  const wire::tagged old{"shop.price", 1, wire::format::msgpack, wire::encode(shop::price_v1{199})};
  const auto found = types.decode(old);
  std::printf("version 1 says %.2f %s\n", found->as<shop::price>()->amount,
              found->as<shop::price>()->currency.c_str());

  // Bytes that nobody vouches for.
  const auto bad =
      wire::decode<shop::price>(wire::as_bytes(R"({"amount":"much"})"), wire::format::json);
  std::printf("refused: %s\n", bad.error().to_string().c_str());
  return bad || !found ? 1 : 0;
}
