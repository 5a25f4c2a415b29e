// A message holds a pointer, and an actor that takes it is looked for at another node.
#include <odeon/remote/endpoint.hpp>

struct render {
#ifdef ODEON_FIXED
  std::string scene;
#else
  const char* scene = nullptr;
#endif
};

class renderer : public odeon::actor<render> {
 public:
  void on(render) {}
};

odeon::future<renderer::ref> use(odeon::remote::endpoint& net) {
  return net.resolve<renderer>("odeon://app@10.0.0.7:7400/user/renderer");  // mistake
}
