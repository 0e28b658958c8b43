"""What goes wrong in Java and Kotlin code of the demo, as stories (see `crashes_java`)."""

SIM_WITHOUT_NAME = """
java.lang.NullPointerException: Attempt to invoke interface method 'java.lang.String java.lang.CharSequence.toString()' on a null object reference
  com.android.settings.network.SimDisplayNames.displayNameOf(SimDisplayNames.java:61) ?
  com.android.settings.network.MobileNetworkListFragment.bindSubscription(MobileNetworkListFragment.java:214)
  com.android.settings.network.MobileNetworkListFragment.lambda$onSubscriptionsChanged$#(MobileNetworkListFragment.java:188)
  com.android.settings.network.MobileNetworkListFragment$$ExternalSyntheticLambda#.run(D8$$SyntheticClass:0)
  <handler>
"""

FRAGMENT_DETACHED = """
java.lang.IllegalStateException: Fragment WarrantyFragment{@H@} (a3f1c2d0-5b1e-4f0c-9c7c-0d8f5c8e1b21) not attached to a context.
  androidx.fragment.app.Fragment.requireContext(Fragment.java:972)
  com.hmdglobal.app.mydevice.warranty.WarrantyFragment.showResult(WarrantyFragment.kt:143)
  com.hmdglobal.app.mydevice.warranty.WarrantyFragment.access$showResult(WarrantyFragment.kt:31) ?
  com.hmdglobal.app.mydevice.warranty.WarrantyFragment$loadWarranty$1.invokeSuspend(WarrantyFragment.kt:97)
  <coroutine>
"""

ACTIVITY_STATE = """
java.lang.RuntimeException: Unable to start activity ComponentInfo{com.hmdglobal.app.gallery/com.hmdglobal.app.gallery.AlbumActivity}: java.lang.IllegalStateException: album list is empty
  <launch>
Caused by: java.lang.IllegalStateException: album list is empty
  com.hmdglobal.app.gallery.album.AlbumRepository.first(AlbumRepository.kt:88) ?
  com.hmdglobal.app.gallery.album.AlbumPresenter.restore(AlbumPresenter.kt:52)
  com.hmdglobal.app.gallery.AlbumActivity.onCreate(AlbumActivity.kt:64)
  android.app.Activity.performCreate(Activity.java:8595)
  android.app.Activity.performCreate(Activity.java:8573)
  android.app.Instrumentation.callActivityOnCreate(Instrumentation.java:1456)
  <more>
Caused by: java.util.NoSuchElementException: List is empty.
  kotlin.collections.CollectionsKt___CollectionsKt.first(_Collections.kt:217)
  com.hmdglobal.app.gallery.album.AlbumRepository.first(AlbumRepository.kt:86)
  <more>
"""

THUMBNAIL_OOM = """
java.lang.OutOfMemoryError: Failed to allocate a 5184@N@ byte allocation with 24@N@ free bytes and 23MB until OOM, target footprint 268435456, growth limit 268435456
  dalvik.system.VMRuntime.newNonMovableArray(Native Method)
  android.graphics.Bitmap.nativeCreate(Native Method)
  android.graphics.Bitmap.createBitmap(Bitmap.java:1096)
  com.hmdglobal.app.gallery.thumb.BitmapPool.obtain(BitmapPool.kt:57) ?
  com.hmdglobal.app.gallery.thumb.ThumbnailLoader.decodeFull(ThumbnailLoader.kt:131)
  com.hmdglobal.app.gallery.thumb.ThumbnailLoader.lambda$load$#(ThumbnailLoader.kt:94)
  com.hmdglobal.app.gallery.thumb.ThumbnailLoader$$ExternalSyntheticLambda#.call(D8$$SyntheticClass:0)
  <task>
"""

DATABASE_FULL = """
android.database.sqlite.SQLiteFullException: database or disk is full (code 13 SQLITE_FULL)
  android.database.sqlite.SQLiteConnection.nativeExecuteForLastInsertedRowId(Native Method)
  android.database.sqlite.SQLiteConnection.executeForLastInsertedRowId(SQLiteConnection.java:961)
  android.database.sqlite.SQLiteSession.executeForLastInsertedRowId(SQLiteSession.java:790)
  android.database.sqlite.SQLiteStatement.executeInsert(SQLiteStatement.java:89)
  android.database.sqlite.SQLiteDatabase.insertWithOnConflict(SQLiteDatabase.java:1868)
  com.chatterbird.messenger.store.MessageDao.insertAll(MessageDao.java:203)
  com.chatterbird.messenger.store.MessageStore.persist(MessageStore.java:118)
  com.chatterbird.messenger.sync.SyncWorker.applyPage(SyncWorker.java:240) ?
  com.chatterbird.messenger.sync.SyncWorker.run(SyncWorker.java:176)
  <pool>
"""

DATABASE_LOCKED = """
android.database.sqlite.SQLiteDatabaseLockedException: database is locked (code 5 SQLITE_BUSY): , while compiling: PRAGMA journal_mode
  android.database.sqlite.SQLiteConnection.nativePrepareStatement(Native Method)
  android.database.sqlite.SQLiteConnection.acquirePreparedStatement(SQLiteConnection.java:1069)
  android.database.sqlite.SQLiteConnection.executeForString(SQLiteConnection.java:811)
  android.database.sqlite.SQLiteConnection.setJournalMode(SQLiteConnection.java:419)
  android.database.sqlite.SQLiteConnection.open(SQLiteConnection.java:236)
  android.database.sqlite.SQLiteOpenHelper.getWritableDatabase(SQLiteOpenHelper.java:325)
  com.android.providers.media.DatabaseHelper.writable(DatabaseHelper.java:602) ?
  com.android.providers.media.DatabaseHelper.runWithTransaction(DatabaseHelper.java:641)
  com.android.providers.media.scan.ModernMediaScanner.scanDirectory(ModernMediaScanner.java:255)
  com.android.providers.media.MediaService.onHandleWork(MediaService.java:119)
  <task>
"""

BINDER_SECURITY = """
java.lang.SecurityException: uid 10153 does not have android.permission.READ_PRIVILEGED_PHONE_STATE.
  android.os.Parcel.createExceptionOrNull(Parcel.java:2437)
  android.os.Parcel.createException(Parcel.java:2421)
  android.os.Parcel.readException(Parcel.java:2404)
  com.android.internal.telephony.ITelephony$Stub$Proxy.getImeiForSlot(ITelephony.java:11914)
  android.telephony.TelephonyManager.getImei(TelephonyManager.java:2208)
  com.hmdglobal.app.mydevice.info.HardwareFacts.slotIdentity(HardwareFacts.kt:49) ?
  com.hmdglobal.app.mydevice.info.HardwareFacts.collect(HardwareFacts.kt:77)
  com.hmdglobal.app.mydevice.info.DeviceInfoActivity.onResume(DeviceInfoActivity.kt:112)
  <resume>
Caused by: android.os.RemoteException: Remote stack trace:
  com.android.phone.PhoneInterfaceManager.enforceReadPrivilegedPermission(PhoneInterfaceManager.java:6112)
  com.android.phone.PhoneInterfaceManager.getImeiForSlot(PhoneInterfaceManager.java:3470)
  com.android.internal.telephony.ITelephony$Stub.onTransact(ITelephony.java:5601)
  <binder>
"""

LATEINIT = """
kotlin.UninitializedPropertyAccessException: lateinit property session has not been initialized
  com.nordbite.delivery.tracking.CourierTracker.getSession(CourierTracker.kt:38) ?
  com.nordbite.delivery.tracking.CourierTracker.onLocation(CourierTracker.kt:90)
  com.nordbite.delivery.tracking.CourierTracker$observe$1$#.emit(CourierTracker.kt:71)
  com.nordbite.delivery.tracking.CourierTracker$observe$1$#.emit(CourierTracker.kt:70)
  kotlinx.coroutines.flow.FlowKt__TransformKt$onEach$$inlined$unsafeTransform$1$2.emit(Emitters.kt:223)
  com.nordbite.delivery.location.FusedLocations$updates$1.invokeSuspend(FusedLocations.kt:55)
  <coroutine>
"""

OBFUSCATED_PARSER = """
java.lang.IllegalArgumentException: Parameter specified as non-null is null: method r5.d.a, parameter title
  r5.d.<init>(SourceFile:3)
  s5.k.b(SourceFile:112)
  s5.k.a(SourceFile:41) ?
  s5.m.doInBackground(SourceFile:18)
  b4.q.call(SourceFile:7)
  <task>
"""

OBFUSCATED_CURSOR = """
java.lang.IllegalStateException: Couldn't read row @N@, col 4 from CursorWindow.  Make sure the Cursor is initialized correctly before accessing data from it.
  android.database.CursorWindow.nativeGetString(Native Method)
  android.database.CursorWindow.getString(CursorWindow.java:469)
  android.database.AbstractWindowedCursor.getString(AbstractWindowedCursor.java:51)
  u2.c.e(SourceFile:29)
  u2.a.i(SourceFile:77)
  w6.h.onLoadFinished(SourceFile:14)
  w6.g.b(SourceFile:5) ?
  <message>
"""

RECYCLER_INCONSISTENT = """
java.lang.IndexOutOfBoundsException: Inconsistency detected. Invalid view holder adapter positionViewHolder{@H@ position=@N@ id=-1, oldPos=-1, pLpos:-1 no parent} androidx.recyclerview.widget.RecyclerView{@H@ VFED..... ......ID 0,0-1080,1957 #7f0a01b2 app:id/queue}
  androidx.recyclerview.widget.RecyclerView$Recycler.validateViewHolderForOffsetPosition(RecyclerView.java:6156)
  androidx.recyclerview.widget.RecyclerView$Recycler.tryGetViewHolderForPositionByDeadline(RecyclerView.java:6339)
  androidx.recyclerview.widget.RecyclerView$Recycler.getViewForPosition(RecyclerView.java:6300)
  androidx.recyclerview.widget.LinearLayoutManager$LayoutState.next(LinearLayoutManager.java:2330)
  androidx.recyclerview.widget.LinearLayoutManager.fill(LinearLayoutManager.java:1591)
  androidx.recyclerview.widget.LinearLayoutManager.onLayoutChildren(LinearLayoutManager.java:668)
  app.wavetune.player.queue.SmoothLayoutManager.onLayoutChildren(SmoothLayoutManager.kt:33)
  androidx.recyclerview.widget.RecyclerView.dispatchLayoutStep1(RecyclerView.java:4239)
  androidx.recyclerview.widget.RecyclerView.dispatchLayout(RecyclerView.java:3940)
  app.wavetune.player.queue.QueueView.onLayout(QueueView.kt:121) ?
  android.view.View.layout(View.java:24475)
  <frame>
"""

CAMERA_SERVICE = """
java.lang.RuntimeException: android.hardware.camera2.CameraAccessException: CAMERA_ERROR (3): endConfigure:560: Camera 0: Error configuring streams: Broken pipe (-32)
  com.hmdglobal.app.camera.session.SessionController.configure(SessionController.kt:232)
  com.hmdglobal.app.camera.session.SessionController.access$configure(SessionController.kt:40) ?
  com.hmdglobal.app.camera.session.SessionController$deviceCallback$1.onOpened(SessionController.kt:171)
  android.hardware.camera2.impl.CameraDeviceImpl$1.run(CameraDeviceImpl.java:153)
  <thread>
Caused by: android.hardware.camera2.CameraAccessException: CAMERA_ERROR (3): endConfigure:560: Camera 0: Error configuring streams: Broken pipe (-32)
  android.hardware.camera2.CameraManager.throwAsPublicException(CameraManager.java:1720)
  android.hardware.camera2.impl.ICameraDeviceUserWrapper.endConfigure(ICameraDeviceUserWrapper.java:120)
  android.hardware.camera2.impl.CameraDeviceImpl.configureStreamsChecked(CameraDeviceImpl.java:604)
  android.hardware.camera2.impl.CameraDeviceImpl.createCaptureSession(CameraDeviceImpl.java:799)
  com.hmdglobal.app.camera.session.SessionController.configure(SessionController.kt:226)
  <more>
Caused by: android.os.ServiceSpecificException: endConfigure:560: Camera 0: Error configuring streams: Broken pipe (-32) (code 10)
  android.os.Parcel.createExceptionOrNull(Parcel.java:3031)
  android.os.Parcel.readException(Parcel.java:2979)
  android.hardware.camera2.ICameraDeviceUser$Stub$Proxy.endConfigure(ICameraDeviceUser.java:667)
  android.hardware.camera2.impl.ICameraDeviceUserWrapper.endConfigure(ICameraDeviceUserWrapper.java:118)
  <more>
"""

CAMERA_CLOSED = """
java.lang.IllegalStateException: CameraDevice was already closed
  android.hardware.camera2.impl.CameraDeviceImpl.checkIfCameraClosedOrInError(CameraDeviceImpl.java:2472)
  android.hardware.camera2.impl.CameraDeviceImpl.createCaptureRequest(CameraDeviceImpl.java:1023)
  com.hmdglobal.app.camera.capture.NightShot.burst(NightShot.kt:84)
  com.hmdglobal.app.camera.capture.ShutterController.lambda$onShutter$#(ShutterController.kt:139)
  com.hmdglobal.app.camera.capture.ShutterController$$ExternalSyntheticLambda#.onClick(D8$$SyntheticClass:0)
  com.hmdglobal.app.camera.ui.ShutterButton.dispatchShutter(ShutterButton.kt:66) ?
  <click>
"""

DEAD_SYSTEM = """
java.lang.RuntimeException: android.os.DeadSystemException
  android.hardware.display.DisplayManagerGlobal.getDisplayInfo(DisplayManagerGlobal.java:238)
  com.android.systemui.statusbar.phone.StatusBarContentInsetsProvider.refreshInsets(StatusBarContentInsetsProvider.kt:144)
  com.android.systemui.statusbar.phone.PhoneStatusBarView.updateLayoutForCutout(PhoneStatusBarView.java:301)
  com.android.systemui.statusbar.phone.PhoneStatusBarView.onConfigurationChanged(PhoneStatusBarView.java:130) ?
  <frame>
Caused by: android.os.DeadSystemException
  <more>
"""

TILE_STATE = """
java.util.ConcurrentModificationException
  java.util.ArrayList$Itr.checkForComodification(ArrayList.java:1111)
  java.util.ArrayList$Itr.next(ArrayList.java:1064)
  com.android.systemui.qs.tileimpl.QSTileImpl.handleRefreshState(QSTileImpl.java:488)
  com.android.systemui.qs.tiles.CellularTile.lambda$onDataChanged$#(CellularTile.java:233)
  com.android.systemui.qs.tiles.CellularTile.refresh(CellularTile.java:211) ?
  com.android.systemui.qs.tileimpl.QSTileImpl$H.handleMessage(QSTileImpl.java:622)
  <thread>
"""

BLUETOOTH_STATE = """
java.lang.IllegalStateException: A2DP state machine got CONNECT while in Disconnecting
  com.android.bluetooth.a2dp.A2dpStateMachine$Disconnecting.processMessage(A2dpStateMachine.java:402)
  com.android.internal.util.StateMachine$SmHandler.processMsg(StateMachine.java:996)
  com.android.internal.util.StateMachine$SmHandler.handleMessage(StateMachine.java:819)
  com.android.bluetooth.a2dp.A2dpService.messageFromNative(A2dpService.java:931) ?
  <thread>
"""

DIALER_UNBOUND = """
java.lang.IllegalArgumentException: Service not registered: com.android.phone.ImsStateBridge@@H@
  android.app.LoadedApk.forgetServiceDispatcher(LoadedApk.java:2072)
  android.app.ContextImpl.unbindService(ContextImpl.java:2175)
  android.content.ContextWrapper.unbindService(ContextWrapper.java:931)
  com.android.phone.ImsStateBridge.release(ImsStateBridge.java:117)
  com.android.phone.ImsStateBridge$1.onReceive(ImsStateBridge.java:58) ?
  com.android.phone.CarrierConfigWatcher.lambda$onConfigChanged$#(CarrierConfigWatcher.java:93)
  <receiver>
"""

FOREGROUND_SERVICE = """
android.app.RemoteServiceException$ForegroundServiceDidNotStartInTimeException: Context.startForegroundService() did not then call Service.startForeground(): ServiceRecord{@H@ u0 app.wavetune.player/.playback.PlaybackService}
  android.app.ActivityThread.generateForegroundServiceDidNotStartInTimeException(ActivityThread.java:2156)
  android.app.ActivityThread.throwRemoteServiceException(ActivityThread.java:2127)
  android.app.ActivityThread.-$$Nest$mthrowRemoteServiceException(Unknown Source:0)
  android.app.ActivityThread$H.handleMessage(ActivityThread.java:2446)
  <message>
Caused by: android.app.StackTrace: Last startServiceCommon() call for this service was made here
  android.app.ContextImpl.startServiceCommon(ContextImpl.java:1968)
  android.app.ContextImpl.startForegroundService(ContextImpl.java:1923)
  app.wavetune.player.playback.PlaybackStarter.resume(PlaybackStarter.kt:47)
  app.wavetune.player.widget.WidgetReceiver.onReceive(WidgetReceiver.kt:36)
  <more>
"""

STACK_OVERFLOW = (
    """
java.lang.StackOverflowError: stack size 8188KB
"""
    + "  com.citymove.transit.route.RouteGraph.visit(RouteGraph.kt:211)\n" * 3
    + (
        "  com.citymove.transit.route.RouteGraph.visit(RouteGraph.kt:214)\n"
        "  com.citymove.transit.route.RouteGraph.expand(RouteGraph.kt:188)\n" * 44
    )
    + """
  com.citymove.transit.route.RoutePlanner.plan(RoutePlanner.kt:92)
  com.citymove.transit.route.RoutePlanner$plan$2.invokeSuspend(RoutePlanner.kt:71)
  <coroutine>
"""
)

MAP_CAST = """
java.lang.ClassCastException: com.citymove.transit.map.ClusterMarker cannot be cast to com.citymove.transit.map.StopMarker
  com.citymove.transit.map.StopLayer.onMarkerTapped(StopLayer.kt:158)
  com.citymove.transit.map.MapScreenKt.MapScreen$lambda$#(MapScreen.kt:83)
  com.citymove.transit.map.MapScreenKt$$ExternalSyntheticLambda#.invoke(D8$$SyntheticClass:0)
  com.citymove.transit.map.TapDispatcher.dispatch(TapDispatcher.kt:29) ?
  <click>
"""

JSON_PROMOTION = """
org.json.JSONException: No value for discount_minor
  org.json.JSONObject.get(JSONObject.java:392)
  org.json.JSONObject.getInt(JSONObject.java:513)
  com.nordbite.delivery.cart.Promotion.fromJson(Promotion.kt:41)
  com.nordbite.delivery.cart.PromotionApi.parse(PromotionApi.kt:64) ?
  com.nordbite.delivery.cart.CartViewModel$applyCode$1.invokeSuspend(CartViewModel.kt:139)
  <coroutine>
"""

RECORDER_START = """
java.lang.RuntimeException: start failed: -38
  android.media.MediaRecorder._start(Native Method)
  android.media.MediaRecorder.start(MediaRecorder.java:1421)
  com.hmdglobal.app.recorder.engine.RecorderEngine.begin(RecorderEngine.kt:118)
  com.hmdglobal.app.recorder.RecorderService.startRecording(RecorderService.kt:87)
  com.hmdglobal.app.recorder.RecorderService.onStartCommand(RecorderService.kt:61)
  <service>
"""

LAUNCHER_WIDGET = """
java.lang.NullPointerException: Attempt to read from field 'int com.android.launcher3.model.data.ItemInfo.spanX' on a null object reference in method 'void com.android.launcher3.WidgetResize.commit(boolean)'
  com.android.launcher3.WidgetResize.commit(WidgetResize.java:372)
  com.android.launcher3.WidgetResize.lambda$onTouchUp$#(WidgetResize.java:356)
  com.android.launcher3.WidgetResize$$ExternalSyntheticLambda#.run(D8$$SyntheticClass:0)
  com.android.launcher3.Workspace.runPending(Workspace.java:1288) ?
  <handler>
"""

WTF_NEGATIVE_DRAIN = """
android.util.Log$TerribleFailure: battery level went up by @N@ while discharging
  android.util.Log.wtf(Log.java:339)
  android.util.Slog.wtf(Slog.java:166)
  com.android.server.power.batterysaver.DrainLedger.reconcile(DrainLedger.java:204)
  com.android.server.power.batterysaver.DrainLedger.onBatteryChanged(DrainLedger.java:151)
  com.android.server.power.batterysaver.DrainLedger$1.onReceive(DrainLedger.java:66)
  <thread>
"""

WTF_JOB_TIMER = """
android.util.Log$TerribleFailure: Alarm for job @N@ fired before its deadline
  android.util.Log.wtf(Log.java:339)
  android.util.Slog.wtfStack(Slog.java:209)
  com.android.server.job.controllers.TimeController.checkExpiredDeadlines(TimeController.java:279)
  com.android.server.job.controllers.TimeController.lambda$scheduleNext$#(TimeController.java:231)
  com.android.server.job.controllers.TimeController$$ExternalSyntheticLambda#.onAlarm(D8$$SyntheticClass:0)
  <thread>
"""

STRICT_DISK_READ = """
android.os.strictmode.DiskReadViolation
  android.os.StrictMode$AndroidBlockGuardPolicy.onReadFromDisk(StrictMode.java:1659)
  libcore.io.BlockGuardOs.access(BlockGuardOs.java:74)
  java.io.UnixFileSystem.checkAccess(UnixFileSystem.java:319)
  java.io.File.exists(File.java:813)
  com.hmdglobal.app.mydevice.support.ManualCache.has(ManualCache.kt:33)
  com.hmdglobal.app.mydevice.support.SupportFragment.onViewCreated(SupportFragment.kt:58)
  <launch>
"""
