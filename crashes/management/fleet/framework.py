"""The frames below an app's own: what calls it, as each Android release prints it.

A tail is a way into app code (a click, a posted message, a binder call). Its classes stay the same
over the releases, its line numbers do not, and now and then a frame comes or goes.
"""

from functools import lru_cache

_LINES = {
    # release: what the names below stand for in it
    "12": {"hc": 938, "dm": 99, "lo": 201, "lp": 288, "am": 7870, "ri": 548, "zi": 1003,
           "pc": 7455, "ck": 7432, "vc": 29445, "ei": 1159, "tx": 1179, "pf": 2418},
    "13": {"hc": 942, "dm": 99, "lo": 201, "lp": 288, "am": 7898, "ri": 548, "zi": 936,
           "pc": 7517, "ck": 7494, "vc": 29581, "ei": 1285, "tx": 1249, "pf": 3005},
    "14": {"hc": 958, "dm": 99, "lo": 205, "lp": 294, "am": 8177, "ri": 552, "zi": 971,
           "pc": 7799, "ck": 7776, "vc": 31213, "ei": 1339, "tx": 1339, "pf": 3057},
    "15": {"hc": 959, "dm": 100, "lo": 232, "lp": 317, "am": 8592, "ri": 580, "zi": 886,
           "pc": 8028, "ck": 8005, "vc": 31744, "ei": 1421, "tx": 1421, "pf": 3251},
}  # fmt: skip

_LOOPER = """\
android.os.Looper.loopOnce(Looper.java:{lo})
android.os.Looper.loop(Looper.java:{lp})
"""
_START = """\
android.app.ActivityThread.main(ActivityThread.java:{am})
java.lang.reflect.Method.invoke(Native Method)
com.android.internal.os.RuntimeInit$MethodAndArgsCaller.run(RuntimeInit.java:{ri})
com.android.internal.os.ZygoteInit.main(ZygoteInit.java:{zi})
"""
_CALLBACK = """\
android.os.Handler.handleCallback(Handler.java:{hc})
android.os.Handler.dispatchMessage(Handler.java:{dm})
"""
_MESSAGE = "android.os.Handler.dispatchMessage(Handler.java:106)\n"
_POOL = """\
java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1145)
java.util.concurrent.ThreadPoolExecutor$Worker.run(ThreadPoolExecutor.java:644)
java.lang.Thread.run(Thread.java:1012)
"""

_TAILS = {
    "handler": _CALLBACK + _LOOPER + _START,
    "message": _MESSAGE + _LOOPER + _START,
    "click": """\
android.view.View.performClick(View.java:{pc})
android.view.View.performClickInternal(View.java:{ck})
android.view.View.-$$Nest$mperformClickInternal(Unknown Source:0)
android.view.View$PerformClick.run(View.java:{vc})
"""
    + _CALLBACK
    + _LOOPER
    + _START,
    "frame": """\
android.view.ViewRootImpl.performTraversals(ViewRootImpl.java:{pf})
android.view.ViewRootImpl.doTraversal(ViewRootImpl.java:2195)
android.view.ViewRootImpl$TraversalRunnable.run(ViewRootImpl.java:9065)
android.view.Choreographer$CallbackRecord.run(Choreographer.java:{ei})
android.view.Choreographer.doCallbacks(Choreographer.java:899)
android.view.Choreographer.doFrame(Choreographer.java:832)
android.view.Choreographer$FrameDisplayEventReceiver.run(Choreographer.java:1327)
"""
    + _CALLBACK
    + _LOOPER
    + _START,
    "launch": """\
android.app.ActivityThread.performLaunchActivity(ActivityThread.java:3687)
android.app.ActivityThread.handleLaunchActivity(ActivityThread.java:3824)
android.app.servertransaction.LaunchActivityItem.execute(LaunchActivityItem.java:101)
android.app.servertransaction.TransactionExecutor.executeCallbacks(TransactionExecutor.java:135)
android.app.servertransaction.TransactionExecutor.execute(TransactionExecutor.java:95)
android.app.ActivityThread$H.handleMessage(ActivityThread.java:2307)
"""
    + _MESSAGE
    + _LOOPER
    + _START,
    "resume": """\
android.app.Instrumentation.callActivityOnResume(Instrumentation.java:1603)
android.app.Activity.performResume(Activity.java:8428)
android.app.ActivityThread.performResumeActivity(ActivityThread.java:4869)
android.app.ActivityThread.handleResumeActivity(ActivityThread.java:4912)
android.app.servertransaction.ResumeActivityItem.execute(ResumeActivityItem.java:54)
android.app.ActivityThread$H.handleMessage(ActivityThread.java:2307)
"""
    + _MESSAGE
    + _LOOPER
    + _START,
    "service": """\
android.app.ActivityThread.handleServiceArgs(ActivityThread.java:4772)
android.app.ActivityThread.-$$Nest$mhandleServiceArgs(Unknown Source:0)
android.app.ActivityThread$H.handleMessage(ActivityThread.java:2289)
"""
    + _MESSAGE
    + _LOOPER
    + _START,
    "receiver": """\
android.app.LoadedApk$ReceiverDispatcher$Args.lambda$getRunnable$0(LoadedApk.java:1790)
android.app.LoadedApk$ReceiverDispatcher$Args$$ExternalSyntheticLambda0.run(D8$$SyntheticClass:0)
"""
    + _CALLBACK
    + _LOOPER
    + _START,
    "binder": """\
android.os.Binder.execTransactInternal(Binder.java:{ei})
android.os.Binder.execTransact(Binder.java:{tx})
""",
    "thread": _CALLBACK + _LOOPER + "android.os.HandlerThread.run(HandlerThread.java:67)\n",
    "pool": _POOL,
    "task": """\
java.util.concurrent.FutureTask.run(FutureTask.java:264)
"""
    + _POOL,
    "coroutine": """\
kotlin.coroutines.jvm.internal.BaseContinuationImpl.resumeWith(ContinuationImpl.kt:33)
kotlinx.coroutines.DispatchedTask.run(DispatchedTask.kt:104)
kotlinx.coroutines.scheduling.CoroutineScheduler.runSafely(CoroutineScheduler.kt:584)
kotlinx.coroutines.scheduling.CoroutineScheduler$Worker.executeTask(CoroutineScheduler.kt:811)
kotlinx.coroutines.scheduling.CoroutineScheduler$Worker.runWorker(CoroutineScheduler.kt:715)
kotlinx.coroutines.scheduling.CoroutineScheduler$Worker.run(CoroutineScheduler.kt:702)
""",
}

TAILS = frozenset(_TAILS)


@lru_cache(maxsize=256)
def tail(name: str, release: str) -> tuple[str, ...]:
    """The frames of one way into app code, innermost first. Raises KeyError for no such way."""
    return tuple(_TAILS[name].format_map(_LINES[release]).splitlines())
