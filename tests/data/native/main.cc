// A program around the library, for the linked-statically and linked-anywhere cases.
extern "C" int shapes_entry(int count, const char* word);

int main(int argc, char** argv) { return shapes_entry(argc, argv[0]) & 1; }
