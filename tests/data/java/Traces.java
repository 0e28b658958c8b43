package org.example.traces;

import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;

/** Throws in many ways; every case prints what the JVM itself prints. */
public class Traces {
    static class Refused extends Exception {
        Refused(String message, Throwable cause) { super(message, cause); }
        Refused(String message) { super(message); }
    }
    static class Silent extends RuntimeException {
        Silent(String message, Throwable cause) { super(message, cause, true, false); }
    }
    static class Valve implements AutoCloseable {
        final String name;
        Valve(String name) { this.name = name; }
        @Override public void close() throws Exception {
            Refused stuck = new Refused("valve " + name + " is stuck", new IllegalStateException("rust"));
            stuck.addSuppressed(new IllegalArgumentException("twice"));
            throw stuck;
        }
    }
    static void deep(int n) { deep(n + 1); }
    static void chain() throws Exception {
        try { Integer.parseInt("x1"); }
        catch (NumberFormatException e) { 
            try { throw new Refused("reading the number\n  of line 3:\n\twas not possible", e); }
            catch (Refused r) { throw new IllegalStateException(r); }
        }
    }
    static void suppressed() throws Exception {
        try (Valve a = new Valve("a"); Valve b = new Valve("b")) {
            throw new Refused("flow", new java.io.IOException("pipe"));
        }
    }
    static void circular() throws Exception {
        Exception a = new Refused("a");
        Exception b = new Refused("b", a);
        a.initCause(b);
        throw a;
    }
    static void circularSuppressed() throws Exception {
        Exception a = new Refused("outer", null);
        Exception b = new Refused("inner", a);
        a.addSuppressed(b);
        throw a;
    }
    static void lambda() { Supplier<String> s = () -> { Object o = null; return o.toString(); }; s.get(); }
    static void future() { CompletableFuture.supplyAsync(() -> { throw new Silent("no stack of its own", new NullPointerException()); }).join(); }
    static void reflective() throws Exception { Traces.class.getDeclaredMethod("lambda").invoke(null); }
    static void namedThread() throws Exception {
        Thread t = new Thread(() -> { throw new UnsupportedOperationException("on \"another\" thread"); }, "worker \"7\" of 9");
        t.start(); t.join();
    }
    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "chain" -> chain();
            case "suppressed" -> suppressed();
            case "circular" -> circular();
            case "circular_suppressed" -> circularSuppressed();
            case "lambda" -> lambda();
            case "future" -> future();
            case "reflective" -> reflective();
            case "named_thread" -> namedThread();
            case "overflow" -> deep(0);
            default -> throw new IllegalArgumentException(args[0]);
        }
    }
}
