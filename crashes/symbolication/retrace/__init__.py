"""From the names that R8 and ProGuard made up to those in the source.

metadata    R8's JSON comments in a mapping
members     the methods of one class: ranges, inline stacks, overloads
mapping     the file, indexed by class
frames      the rules: what one obfuscated call may have been
lines       where the names stand in a line of a stack trace
text        a stack trace as text, as R8's own retrace prints it
crash       a parsed `Crash`
retracer    all of it for one mapping
"""
