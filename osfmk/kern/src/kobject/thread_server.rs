//! `thread_act` on a thread port, and the thread as a kernel object.

use alloc::sync::Arc;

use ipc::{KernelCarrier, KernelObject, Kmsg, Port};
use mach::Result;
use mach::defs::{Call, thread_act};
use prim::thread::AbortLevel;

use super::answer;
use crate::thread::Thread;

impl KernelObject for Thread {
    fn message(self: Arc<Self>, request: Kmsg, _port: &Arc<Port>) -> Option<Kmsg> {
        answer(thread_act::demux(
            &mut ThreadServer { thread: &self },
            request.into_message(),
        ))
    }
}

/// Serves the calls on a thread. Registers of another thread cannot be read or set yet.
struct ThreadServer<'a> {
    thread: &'a Arc<Thread>,
}

impl thread_act::Server<KernelCarrier> for ThreadServer<'_> {
    fn terminate(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: thread_act::terminate::Request,
    ) -> Result<thread_act::terminate::Reply> {
        self.thread.terminate();
        Ok(thread_act::terminate::Reply {})
    }

    fn suspend(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: thread_act::suspend::Request,
    ) -> Result<thread_act::suspend::Reply> {
        self.thread.suspend();
        Ok(thread_act::suspend::Reply {})
    }

    fn resume(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: thread_act::resume::Request,
    ) -> Result<thread_act::resume::Reply> {
        self.thread.resume()?;
        Ok(thread_act::resume::Reply {})
    }

    fn abort(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: thread_act::abort::Request,
    ) -> Result<thread_act::abort::Reply> {
        if let Some(execution) = self.thread.execution() {
            execution.abort(AbortLevel::Abort);
        }
        Ok(thread_act::abort::Reply {})
    }

    fn abort_safely(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: thread_act::abort_safely::Request,
    ) -> Result<thread_act::abort_safely::Reply> {
        self.thread.interrupt();
        Ok(thread_act::abort_safely::Reply {})
    }
}
