// A camera service that dies on its first frame, for the journey from crash to page.
//
// The signal handler does what debuggerd does on a phone: it prints where the process was. One
// line per frame: the program counter as an address of this binary, return addresses moved back
// into their call.

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <execinfo.h>
#include <link.h>
#include <ucontext.h>
#include <unistd.h>

namespace camera {

struct Frame {
    int *pixels;
};

static inline __attribute__((always_inline)) int brightness(const Frame *frame) {
    const int first = *static_cast<const volatile int *>(frame->pixels);  // the crash
    return first > 0 ? first : -first;
}

static inline __attribute__((always_inline)) int exposure(const Frame *frame) {
    return brightness(frame) * 2;
}

__attribute__((noinline)) int process(const Frame *frame, int gain) {
    return exposure(frame) + gain;
}

class Pipeline {
  public:
    __attribute__((noinline)) int run(const Frame *frame) {
        int total = process(frame, 3);
        asm volatile("" ::: "memory");
        return total + 1;
    }
};

}  // namespace camera

static uintptr_t load_base;

static int find_base(dl_phdr_info *info, size_t, void *) {
    load_base = info->dlpi_addr;  // the program itself comes first
    return 1;
}

static uintptr_t program_counter(void *context) {
    auto *machine = &static_cast<ucontext_t *>(context)->uc_mcontext;
#if defined(__x86_64__)
    return static_cast<uintptr_t>(machine->gregs[REG_RIP]);
#else
    return static_cast<uintptr_t>(machine->pc);
#endif
}

static void on_crash(int, siginfo_t *, void *context) {
    const uintptr_t pc = program_counter(context);
    void *stack[64];
    const int depth = backtrace(stack, 64);
    bool below_crash = false;
    for (int i = 0; i < depth; i++) {
        auto address = reinterpret_cast<uintptr_t>(stack[i]);
        if (address == pc) {
            below_crash = true;
        } else if (!below_crash) {
            continue;
        } else {
            address -= 1;
        }
        std::printf("%llx\n", static_cast<unsigned long long>(address - load_base));
    }
    std::fflush(stdout);
    _exit(0);
}

int main() {
    dl_iterate_phdr(find_base, nullptr);
    struct sigaction action = {};
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    void *warm[1];
    backtrace(warm, 1);  // loads the unwinder before it is needed
    camera::Frame frame = {nullptr};
    camera::Pipeline pipeline;
    return pipeline.run(&frame);
}
