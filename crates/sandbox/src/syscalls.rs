//! Which system calls a program has, by name: allowed, refused, watched.
//!
//! Allowed is what programs need that read and write files, compute and start others; the list follows those that container
//! engines have come to over the years. Refused is what has led out of sandboxes, or could; it is told. What stands in neither
//! list does not exist, as on an older kernel, so that a program does what it did before there was such a call.

use nix::libc;

/// A system call: its name and its number.
pub(crate) type Named = (&'static str, i64);

/// A call whose argument is a path: its name, its number, and which argument.
pub(crate) type OfPath = (&'static str, i64, usize);

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), number::$name)),*] };
}

/// Calls that every program has; `clone`, `socketpair` and `ioctl` under conditions.
pub(crate) const ALLOWED: &[Named] = calls![
    read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 close close_range dup dup3 fcntl flock ioctl
    lseek fsync fdatasync sync sync_file_range syncfs sendfile splice tee vmsplice copy_file_range readahead fadvise64
    fallocate ftruncate truncate openat openat2 mkdirat mknodat unlinkat renameat2 linkat symlinkat readlinkat faccessat
    faccessat2 newfstatat fstat statx statfs fstatfs getdents64 getcwd
    chdir fchdir umask getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr     inotify_init1 inotify_add_watch inotify_rm_watch epoll_create1 epoll_ctl epoll_pwait
    epoll_pwait2 eventfd2 signalfd4 timerfd_create timerfd_settime timerfd_gettime ppoll pselect6 pipe2 mmap
    munmap mremap mprotect madvise mincore mlock mlock2 munlock mlockall munlockall msync brk membarrier get_mempolicy
    set_mempolicy mbind pkey_alloc pkey_free pkey_mprotect clone execve execveat exit exit_group wait4 waitid kill tkill
    tgkill rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigqueueinfo
    rt_tgsigqueueinfo sigaltstack restart_syscall pidfd_open pidfd_send_signal futex futex_waitv set_robust_list
    get_robust_list rseq set_tid_address gettid getpid getppid getpgid setpgid getsid setsid getuid geteuid getgid getegid
    getresuid getresgid getgroups setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capget
    capset setrlimit prlimit64 getrusage times getpriority setpriority ioprio_get ioprio_set sched_yield sched_getaffinity
    sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max
    sched_get_priority_min sched_rr_get_interval sched_getattr sched_setattr getcpu nanosleep clock_nanosleep clock_gettime
    clock_getres gettimeofday timer_create timer_settime timer_gettime timer_getoverrun timer_delete getitimer setitimer uname
    sysinfo prctl personality getrandom seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self socketpair
    sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg shutdown getsockname getpeername getsockopt setsockopt shmat
    shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend mq_timedreceive
    mq_notify mq_getsetattr
];

/// Calls that only this architecture has.
#[cfg(target_arch = "x86_64")]
pub(crate) const ALLOWED_OLD: &[Named] = calls![
    open creat stat lstat access mkdir rmdir unlink rename link symlink readlink mknod     renameat getdents poll select pipe dup2 epoll_create epoll_wait eventfd signalfd inotify_init alarm pause
    getpgrp fork vfork time arch_prctl getrlimit
];

/// Calls that only this architecture has.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const ALLOWED_OLD: &[Named] = &[];

/// Calls that are refused and told. Among them what changes files in a way that Landlock does not look at (modes, owners, times,
/// attributes), wherever these are, and memory that no limit counts.
pub(crate) const REFUSED: &[Named] = calls![
    socket connect bind listen accept accept4 ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp mount
    umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr unshare setns bpf
    perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register add_key request_key keyctl open_by_handle_at
    name_to_handle_at fanotify_init fanotify_mark quotactl init_module finit_module delete_module kexec_load swapon swapoff
    reboot acct syslog vhangup settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname move_pages
    migrate_pages fchmod fchmodat fchmodat2 fchown fchownat utimensat setxattr lsetxattr fsetxattr removexattr lremovexattr
    fremovexattr memfd_create shmget
];

/// Calls that only this architecture has.
#[cfg(target_arch = "x86_64")]
pub(crate) const REFUSED_OLD: &[Named] = calls![
    iopl ioperm modify_ldt kexec_file_load chmod chown lchown utime utimes futimesat
];

/// Calls that only this architecture has.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const REFUSED_OLD: &[Named] = &[];

/// Calls that are watched: whether Landlock lets them through shows in what they return.
pub(crate) const OF_PATHS: &[OfPath] = &[
    ("openat", libc::SYS_openat, 1),
    ("openat2", libc::SYS_openat2, 1),
    ("mkdirat", libc::SYS_mkdirat, 1),
    ("mknodat", libc::SYS_mknodat, 1),
    ("unlinkat", libc::SYS_unlinkat, 1),
    ("renameat2", libc::SYS_renameat2, 1),
    ("linkat", libc::SYS_linkat, 1),
    ("symlinkat", libc::SYS_symlinkat, 2),
    ("truncate", libc::SYS_truncate, 0),
    ("execve", libc::SYS_execve, 0),
    ("execveat", libc::SYS_execveat, 1),
];

/// Calls of paths that only this architecture has.
#[cfg(target_arch = "x86_64")]
pub(crate) const OF_PATHS_OLD: &[OfPath] = &[
    ("open", libc::SYS_open, 0),
    ("creat", libc::SYS_creat, 0),
    ("mkdir", libc::SYS_mkdir, 0),
    ("rmdir", libc::SYS_rmdir, 0),
    ("mknod", libc::SYS_mknod, 0),
    ("unlink", libc::SYS_unlink, 0),
    ("rename", libc::SYS_rename, 0),
    ("renameat", libc::SYS_renameat, 1),
    ("link", libc::SYS_link, 0),
    ("symlink", libc::SYS_symlink, 1),
];

/// Calls of paths that only this architecture has.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const OF_PATHS_OLD: &[OfPath] = &[];

/// The name of a call that is refused, or is allowed under conditions.
pub(crate) fn name(number: i64) -> &'static str {
    let all = REFUSED.iter().chain(REFUSED_OLD).chain(ALLOWED).chain(ALLOWED_OLD);
    all.copied().find_map(|(name, known)| (known == number).then_some(name)).unwrap_or("an unknown call")
}

/// The call of a path with this number.
pub(crate) fn of_path(number: i64) -> Option<OfPath> {
    OF_PATHS.iter().chain(OF_PATHS_OLD).copied().find(|(_, known, _)| *known == number)
}

/// The numbers, under the names of the calls.
#[expect(non_upper_case_globals, reason = "they bear the names of the calls")]
mod number {
    use nix::libc;

    pub(super) const accept: i64 = libc::SYS_accept;
    pub(super) const accept4: i64 = libc::SYS_accept4;
    pub(super) const acct: i64 = libc::SYS_acct;
    pub(super) const add_key: i64 = libc::SYS_add_key;
    pub(super) const adjtimex: i64 = libc::SYS_adjtimex;
    pub(super) const bind: i64 = libc::SYS_bind;
    pub(super) const bpf: i64 = libc::SYS_bpf;
    pub(super) const brk: i64 = libc::SYS_brk;
    pub(super) const capget: i64 = libc::SYS_capget;
    pub(super) const capset: i64 = libc::SYS_capset;
    pub(super) const chdir: i64 = libc::SYS_chdir;
    pub(super) const chroot: i64 = libc::SYS_chroot;
    pub(super) const clock_adjtime: i64 = libc::SYS_clock_adjtime;
    pub(super) const clock_getres: i64 = libc::SYS_clock_getres;
    pub(super) const clock_gettime: i64 = libc::SYS_clock_gettime;
    pub(super) const clock_nanosleep: i64 = libc::SYS_clock_nanosleep;
    pub(super) const clock_settime: i64 = libc::SYS_clock_settime;
    pub(super) const clone: i64 = libc::SYS_clone;
    pub(super) const close: i64 = libc::SYS_close;
    pub(super) const close_range: i64 = libc::SYS_close_range;
    pub(super) const connect: i64 = libc::SYS_connect;
    pub(super) const copy_file_range: i64 = libc::SYS_copy_file_range;
    pub(super) const delete_module: i64 = libc::SYS_delete_module;
    pub(super) const dup: i64 = libc::SYS_dup;
    pub(super) const dup3: i64 = libc::SYS_dup3;
    pub(super) const epoll_create1: i64 = libc::SYS_epoll_create1;
    pub(super) const epoll_ctl: i64 = libc::SYS_epoll_ctl;
    pub(super) const epoll_pwait: i64 = libc::SYS_epoll_pwait;
    pub(super) const epoll_pwait2: i64 = libc::SYS_epoll_pwait2;
    pub(super) const eventfd2: i64 = libc::SYS_eventfd2;
    pub(super) const execve: i64 = libc::SYS_execve;
    pub(super) const execveat: i64 = libc::SYS_execveat;
    pub(super) const exit: i64 = libc::SYS_exit;
    pub(super) const exit_group: i64 = libc::SYS_exit_group;
    pub(super) const faccessat: i64 = libc::SYS_faccessat;
    pub(super) const faccessat2: i64 = libc::SYS_faccessat2;
    pub(super) const fadvise64: i64 = libc::SYS_fadvise64;
    pub(super) const fallocate: i64 = libc::SYS_fallocate;
    pub(super) const fanotify_init: i64 = libc::SYS_fanotify_init;
    pub(super) const fanotify_mark: i64 = libc::SYS_fanotify_mark;
    pub(super) const fchdir: i64 = libc::SYS_fchdir;
    pub(super) const fchmod: i64 = libc::SYS_fchmod;
    pub(super) const fchmodat: i64 = libc::SYS_fchmodat;
    pub(super) const fchmodat2: i64 = libc::SYS_fchmodat2;
    pub(super) const fchown: i64 = libc::SYS_fchown;
    pub(super) const fchownat: i64 = libc::SYS_fchownat;
    pub(super) const fcntl: i64 = libc::SYS_fcntl;
    pub(super) const fdatasync: i64 = libc::SYS_fdatasync;
    pub(super) const fgetxattr: i64 = libc::SYS_fgetxattr;
    pub(super) const finit_module: i64 = libc::SYS_finit_module;
    pub(super) const flistxattr: i64 = libc::SYS_flistxattr;
    pub(super) const flock: i64 = libc::SYS_flock;
    pub(super) const fremovexattr: i64 = libc::SYS_fremovexattr;
    pub(super) const fsconfig: i64 = libc::SYS_fsconfig;
    pub(super) const fsetxattr: i64 = libc::SYS_fsetxattr;
    pub(super) const fsmount: i64 = libc::SYS_fsmount;
    pub(super) const fsopen: i64 = libc::SYS_fsopen;
    pub(super) const fspick: i64 = libc::SYS_fspick;
    pub(super) const fstat: i64 = libc::SYS_fstat;
    pub(super) const fstatfs: i64 = libc::SYS_fstatfs;
    pub(super) const fsync: i64 = libc::SYS_fsync;
    pub(super) const ftruncate: i64 = libc::SYS_ftruncate;
    pub(super) const futex: i64 = libc::SYS_futex;
    pub(super) const futex_waitv: i64 = libc::SYS_futex_waitv;
    pub(super) const get_mempolicy: i64 = libc::SYS_get_mempolicy;
    pub(super) const get_robust_list: i64 = libc::SYS_get_robust_list;
    pub(super) const getcpu: i64 = libc::SYS_getcpu;
    pub(super) const getcwd: i64 = libc::SYS_getcwd;
    pub(super) const getdents64: i64 = libc::SYS_getdents64;
    pub(super) const getegid: i64 = libc::SYS_getegid;
    pub(super) const geteuid: i64 = libc::SYS_geteuid;
    pub(super) const getgid: i64 = libc::SYS_getgid;
    pub(super) const getgroups: i64 = libc::SYS_getgroups;
    pub(super) const getitimer: i64 = libc::SYS_getitimer;
    pub(super) const getpeername: i64 = libc::SYS_getpeername;
    pub(super) const getpgid: i64 = libc::SYS_getpgid;
    pub(super) const getpid: i64 = libc::SYS_getpid;
    pub(super) const getppid: i64 = libc::SYS_getppid;
    pub(super) const getpriority: i64 = libc::SYS_getpriority;
    pub(super) const getrandom: i64 = libc::SYS_getrandom;
    pub(super) const getresgid: i64 = libc::SYS_getresgid;
    pub(super) const getresuid: i64 = libc::SYS_getresuid;
    pub(super) const getrusage: i64 = libc::SYS_getrusage;
    pub(super) const getsid: i64 = libc::SYS_getsid;
    pub(super) const getsockname: i64 = libc::SYS_getsockname;
    pub(super) const getsockopt: i64 = libc::SYS_getsockopt;
    pub(super) const gettid: i64 = libc::SYS_gettid;
    pub(super) const gettimeofday: i64 = libc::SYS_gettimeofday;
    pub(super) const getuid: i64 = libc::SYS_getuid;
    pub(super) const getxattr: i64 = libc::SYS_getxattr;
    pub(super) const init_module: i64 = libc::SYS_init_module;
    pub(super) const inotify_add_watch: i64 = libc::SYS_inotify_add_watch;
    pub(super) const inotify_init1: i64 = libc::SYS_inotify_init1;
    pub(super) const inotify_rm_watch: i64 = libc::SYS_inotify_rm_watch;
    pub(super) const io_uring_enter: i64 = libc::SYS_io_uring_enter;
    pub(super) const io_uring_register: i64 = libc::SYS_io_uring_register;
    pub(super) const io_uring_setup: i64 = libc::SYS_io_uring_setup;
    pub(super) const ioctl: i64 = libc::SYS_ioctl;
    pub(super) const ioprio_get: i64 = libc::SYS_ioprio_get;
    pub(super) const ioprio_set: i64 = libc::SYS_ioprio_set;
    pub(super) const kcmp: i64 = libc::SYS_kcmp;
    pub(super) const kexec_load: i64 = libc::SYS_kexec_load;
    pub(super) const keyctl: i64 = libc::SYS_keyctl;
    pub(super) const kill: i64 = libc::SYS_kill;
    pub(super) const landlock_add_rule: i64 = libc::SYS_landlock_add_rule;
    pub(super) const landlock_create_ruleset: i64 = libc::SYS_landlock_create_ruleset;
    pub(super) const landlock_restrict_self: i64 = libc::SYS_landlock_restrict_self;
    pub(super) const lgetxattr: i64 = libc::SYS_lgetxattr;
    pub(super) const linkat: i64 = libc::SYS_linkat;
    pub(super) const listen: i64 = libc::SYS_listen;
    pub(super) const listxattr: i64 = libc::SYS_listxattr;
    pub(super) const llistxattr: i64 = libc::SYS_llistxattr;
    pub(super) const lremovexattr: i64 = libc::SYS_lremovexattr;
    pub(super) const lseek: i64 = libc::SYS_lseek;
    pub(super) const lsetxattr: i64 = libc::SYS_lsetxattr;
    pub(super) const madvise: i64 = libc::SYS_madvise;
    pub(super) const mbind: i64 = libc::SYS_mbind;
    pub(super) const membarrier: i64 = libc::SYS_membarrier;
    pub(super) const memfd_create: i64 = libc::SYS_memfd_create;
    pub(super) const migrate_pages: i64 = libc::SYS_migrate_pages;
    pub(super) const mincore: i64 = libc::SYS_mincore;
    pub(super) const mkdirat: i64 = libc::SYS_mkdirat;
    pub(super) const mknodat: i64 = libc::SYS_mknodat;
    pub(super) const mlock: i64 = libc::SYS_mlock;
    pub(super) const mlock2: i64 = libc::SYS_mlock2;
    pub(super) const mlockall: i64 = libc::SYS_mlockall;
    pub(super) const mmap: i64 = libc::SYS_mmap;
    pub(super) const mount: i64 = libc::SYS_mount;
    pub(super) const mount_setattr: i64 = libc::SYS_mount_setattr;
    pub(super) const move_mount: i64 = libc::SYS_move_mount;
    pub(super) const move_pages: i64 = libc::SYS_move_pages;
    pub(super) const mprotect: i64 = libc::SYS_mprotect;
    pub(super) const mq_getsetattr: i64 = libc::SYS_mq_getsetattr;
    pub(super) const mq_notify: i64 = libc::SYS_mq_notify;
    pub(super) const mq_open: i64 = libc::SYS_mq_open;
    pub(super) const mq_timedreceive: i64 = libc::SYS_mq_timedreceive;
    pub(super) const mq_timedsend: i64 = libc::SYS_mq_timedsend;
    pub(super) const mq_unlink: i64 = libc::SYS_mq_unlink;
    pub(super) const mremap: i64 = libc::SYS_mremap;
    pub(super) const msgctl: i64 = libc::SYS_msgctl;
    pub(super) const msgget: i64 = libc::SYS_msgget;
    pub(super) const msgrcv: i64 = libc::SYS_msgrcv;
    pub(super) const msgsnd: i64 = libc::SYS_msgsnd;
    pub(super) const msync: i64 = libc::SYS_msync;
    pub(super) const munlock: i64 = libc::SYS_munlock;
    pub(super) const munlockall: i64 = libc::SYS_munlockall;
    pub(super) const munmap: i64 = libc::SYS_munmap;
    pub(super) const name_to_handle_at: i64 = libc::SYS_name_to_handle_at;
    pub(super) const nanosleep: i64 = libc::SYS_nanosleep;
    pub(super) const newfstatat: i64 = libc::SYS_newfstatat;
    pub(super) const open_by_handle_at: i64 = libc::SYS_open_by_handle_at;
    pub(super) const open_tree: i64 = libc::SYS_open_tree;
    pub(super) const openat: i64 = libc::SYS_openat;
    pub(super) const openat2: i64 = libc::SYS_openat2;
    pub(super) const perf_event_open: i64 = libc::SYS_perf_event_open;
    pub(super) const personality: i64 = libc::SYS_personality;
    pub(super) const pidfd_getfd: i64 = libc::SYS_pidfd_getfd;
    pub(super) const pidfd_open: i64 = libc::SYS_pidfd_open;
    pub(super) const pidfd_send_signal: i64 = libc::SYS_pidfd_send_signal;
    pub(super) const pipe2: i64 = libc::SYS_pipe2;
    pub(super) const pivot_root: i64 = libc::SYS_pivot_root;
    pub(super) const pkey_alloc: i64 = libc::SYS_pkey_alloc;
    pub(super) const pkey_free: i64 = libc::SYS_pkey_free;
    pub(super) const pkey_mprotect: i64 = libc::SYS_pkey_mprotect;
    pub(super) const ppoll: i64 = libc::SYS_ppoll;
    pub(super) const prctl: i64 = libc::SYS_prctl;
    pub(super) const pread64: i64 = libc::SYS_pread64;
    pub(super) const preadv: i64 = libc::SYS_preadv;
    pub(super) const preadv2: i64 = libc::SYS_preadv2;
    pub(super) const prlimit64: i64 = libc::SYS_prlimit64;
    pub(super) const process_madvise: i64 = libc::SYS_process_madvise;
    pub(super) const process_vm_readv: i64 = libc::SYS_process_vm_readv;
    pub(super) const process_vm_writev: i64 = libc::SYS_process_vm_writev;
    pub(super) const pselect6: i64 = libc::SYS_pselect6;
    pub(super) const ptrace: i64 = libc::SYS_ptrace;
    pub(super) const pwrite64: i64 = libc::SYS_pwrite64;
    pub(super) const pwritev: i64 = libc::SYS_pwritev;
    pub(super) const pwritev2: i64 = libc::SYS_pwritev2;
    pub(super) const quotactl: i64 = libc::SYS_quotactl;
    pub(super) const read: i64 = libc::SYS_read;
    pub(super) const readahead: i64 = libc::SYS_readahead;
    pub(super) const readlinkat: i64 = libc::SYS_readlinkat;
    pub(super) const readv: i64 = libc::SYS_readv;
    pub(super) const reboot: i64 = libc::SYS_reboot;
    pub(super) const recvfrom: i64 = libc::SYS_recvfrom;
    pub(super) const recvmmsg: i64 = libc::SYS_recvmmsg;
    pub(super) const recvmsg: i64 = libc::SYS_recvmsg;
    pub(super) const removexattr: i64 = libc::SYS_removexattr;
    pub(super) const renameat2: i64 = libc::SYS_renameat2;
    pub(super) const request_key: i64 = libc::SYS_request_key;
    pub(super) const restart_syscall: i64 = libc::SYS_restart_syscall;
    pub(super) const rseq: i64 = libc::SYS_rseq;
    pub(super) const rt_sigaction: i64 = libc::SYS_rt_sigaction;
    pub(super) const rt_sigpending: i64 = libc::SYS_rt_sigpending;
    pub(super) const rt_sigprocmask: i64 = libc::SYS_rt_sigprocmask;
    pub(super) const rt_sigqueueinfo: i64 = libc::SYS_rt_sigqueueinfo;
    pub(super) const rt_sigreturn: i64 = libc::SYS_rt_sigreturn;
    pub(super) const rt_sigsuspend: i64 = libc::SYS_rt_sigsuspend;
    pub(super) const rt_sigtimedwait: i64 = libc::SYS_rt_sigtimedwait;
    pub(super) const rt_tgsigqueueinfo: i64 = libc::SYS_rt_tgsigqueueinfo;
    pub(super) const sched_get_priority_max: i64 = libc::SYS_sched_get_priority_max;
    pub(super) const sched_get_priority_min: i64 = libc::SYS_sched_get_priority_min;
    pub(super) const sched_getaffinity: i64 = libc::SYS_sched_getaffinity;
    pub(super) const sched_getattr: i64 = libc::SYS_sched_getattr;
    pub(super) const sched_getparam: i64 = libc::SYS_sched_getparam;
    pub(super) const sched_getscheduler: i64 = libc::SYS_sched_getscheduler;
    pub(super) const sched_rr_get_interval: i64 = libc::SYS_sched_rr_get_interval;
    pub(super) const sched_setaffinity: i64 = libc::SYS_sched_setaffinity;
    pub(super) const sched_setattr: i64 = libc::SYS_sched_setattr;
    pub(super) const sched_setparam: i64 = libc::SYS_sched_setparam;
    pub(super) const sched_setscheduler: i64 = libc::SYS_sched_setscheduler;
    pub(super) const sched_yield: i64 = libc::SYS_sched_yield;
    pub(super) const seccomp: i64 = libc::SYS_seccomp;
    pub(super) const semctl: i64 = libc::SYS_semctl;
    pub(super) const semget: i64 = libc::SYS_semget;
    pub(super) const semop: i64 = libc::SYS_semop;
    pub(super) const semtimedop: i64 = libc::SYS_semtimedop;
    pub(super) const sendfile: i64 = libc::SYS_sendfile;
    pub(super) const sendmmsg: i64 = libc::SYS_sendmmsg;
    pub(super) const sendmsg: i64 = libc::SYS_sendmsg;
    pub(super) const sendto: i64 = libc::SYS_sendto;
    pub(super) const set_mempolicy: i64 = libc::SYS_set_mempolicy;
    pub(super) const set_robust_list: i64 = libc::SYS_set_robust_list;
    pub(super) const set_tid_address: i64 = libc::SYS_set_tid_address;
    pub(super) const setdomainname: i64 = libc::SYS_setdomainname;
    pub(super) const setfsgid: i64 = libc::SYS_setfsgid;
    pub(super) const setfsuid: i64 = libc::SYS_setfsuid;
    pub(super) const setgid: i64 = libc::SYS_setgid;
    pub(super) const setgroups: i64 = libc::SYS_setgroups;
    pub(super) const sethostname: i64 = libc::SYS_sethostname;
    pub(super) const setitimer: i64 = libc::SYS_setitimer;
    pub(super) const setns: i64 = libc::SYS_setns;
    pub(super) const setpgid: i64 = libc::SYS_setpgid;
    pub(super) const setpriority: i64 = libc::SYS_setpriority;
    pub(super) const setregid: i64 = libc::SYS_setregid;
    pub(super) const setresgid: i64 = libc::SYS_setresgid;
    pub(super) const setresuid: i64 = libc::SYS_setresuid;
    pub(super) const setreuid: i64 = libc::SYS_setreuid;
    pub(super) const setrlimit: i64 = libc::SYS_setrlimit;
    pub(super) const setsid: i64 = libc::SYS_setsid;
    pub(super) const setsockopt: i64 = libc::SYS_setsockopt;
    pub(super) const settimeofday: i64 = libc::SYS_settimeofday;
    pub(super) const setuid: i64 = libc::SYS_setuid;
    pub(super) const setxattr: i64 = libc::SYS_setxattr;
    pub(super) const shmat: i64 = libc::SYS_shmat;
    pub(super) const shmctl: i64 = libc::SYS_shmctl;
    pub(super) const shmdt: i64 = libc::SYS_shmdt;
    pub(super) const shmget: i64 = libc::SYS_shmget;
    pub(super) const shutdown: i64 = libc::SYS_shutdown;
    pub(super) const sigaltstack: i64 = libc::SYS_sigaltstack;
    pub(super) const signalfd4: i64 = libc::SYS_signalfd4;
    pub(super) const socket: i64 = libc::SYS_socket;
    pub(super) const socketpair: i64 = libc::SYS_socketpair;
    pub(super) const splice: i64 = libc::SYS_splice;
    pub(super) const statfs: i64 = libc::SYS_statfs;
    pub(super) const statx: i64 = libc::SYS_statx;
    pub(super) const swapoff: i64 = libc::SYS_swapoff;
    pub(super) const swapon: i64 = libc::SYS_swapon;
    pub(super) const symlinkat: i64 = libc::SYS_symlinkat;
    pub(super) const sync: i64 = libc::SYS_sync;
    pub(super) const sync_file_range: i64 = libc::SYS_sync_file_range;
    pub(super) const syncfs: i64 = libc::SYS_syncfs;
    pub(super) const sysinfo: i64 = libc::SYS_sysinfo;
    pub(super) const syslog: i64 = libc::SYS_syslog;
    pub(super) const tee: i64 = libc::SYS_tee;
    pub(super) const tgkill: i64 = libc::SYS_tgkill;
    pub(super) const timer_create: i64 = libc::SYS_timer_create;
    pub(super) const timer_delete: i64 = libc::SYS_timer_delete;
    pub(super) const timer_getoverrun: i64 = libc::SYS_timer_getoverrun;
    pub(super) const timer_gettime: i64 = libc::SYS_timer_gettime;
    pub(super) const timer_settime: i64 = libc::SYS_timer_settime;
    pub(super) const timerfd_create: i64 = libc::SYS_timerfd_create;
    pub(super) const timerfd_gettime: i64 = libc::SYS_timerfd_gettime;
    pub(super) const timerfd_settime: i64 = libc::SYS_timerfd_settime;
    pub(super) const times: i64 = libc::SYS_times;
    pub(super) const tkill: i64 = libc::SYS_tkill;
    pub(super) const truncate: i64 = libc::SYS_truncate;
    pub(super) const umask: i64 = libc::SYS_umask;
    pub(super) const umount2: i64 = libc::SYS_umount2;
    pub(super) const uname: i64 = libc::SYS_uname;
    pub(super) const unlinkat: i64 = libc::SYS_unlinkat;
    pub(super) const unshare: i64 = libc::SYS_unshare;
    pub(super) const userfaultfd: i64 = libc::SYS_userfaultfd;
    pub(super) const utimensat: i64 = libc::SYS_utimensat;
    pub(super) const vhangup: i64 = libc::SYS_vhangup;
    pub(super) const vmsplice: i64 = libc::SYS_vmsplice;
    pub(super) const wait4: i64 = libc::SYS_wait4;
    pub(super) const waitid: i64 = libc::SYS_waitid;
    pub(super) const write: i64 = libc::SYS_write;
    pub(super) const writev: i64 = libc::SYS_writev;
    #[cfg(target_arch = "x86_64")]
    pub(super) const access: i64 = libc::SYS_access;
    #[cfg(target_arch = "x86_64")]
    pub(super) const alarm: i64 = libc::SYS_alarm;
    #[cfg(target_arch = "x86_64")]
    pub(super) const arch_prctl: i64 = libc::SYS_arch_prctl;
    #[cfg(target_arch = "x86_64")]
    pub(super) const chmod: i64 = libc::SYS_chmod;
    #[cfg(target_arch = "x86_64")]
    pub(super) const chown: i64 = libc::SYS_chown;
    #[cfg(target_arch = "x86_64")]
    pub(super) const creat: i64 = libc::SYS_creat;
    #[cfg(target_arch = "x86_64")]
    pub(super) const dup2: i64 = libc::SYS_dup2;
    #[cfg(target_arch = "x86_64")]
    pub(super) const epoll_create: i64 = libc::SYS_epoll_create;
    #[cfg(target_arch = "x86_64")]
    pub(super) const epoll_wait: i64 = libc::SYS_epoll_wait;
    #[cfg(target_arch = "x86_64")]
    pub(super) const eventfd: i64 = libc::SYS_eventfd;
    #[cfg(target_arch = "x86_64")]
    pub(super) const fork: i64 = libc::SYS_fork;
    #[cfg(target_arch = "x86_64")]
    pub(super) const futimesat: i64 = libc::SYS_futimesat;
    #[cfg(target_arch = "x86_64")]
    pub(super) const getdents: i64 = libc::SYS_getdents;
    #[cfg(target_arch = "x86_64")]
    pub(super) const getpgrp: i64 = libc::SYS_getpgrp;
    #[cfg(target_arch = "x86_64")]
    pub(super) const getrlimit: i64 = libc::SYS_getrlimit;
    #[cfg(target_arch = "x86_64")]
    pub(super) const inotify_init: i64 = libc::SYS_inotify_init;
    #[cfg(target_arch = "x86_64")]
    pub(super) const ioperm: i64 = libc::SYS_ioperm;
    #[cfg(target_arch = "x86_64")]
    pub(super) const iopl: i64 = libc::SYS_iopl;
    #[cfg(target_arch = "x86_64")]
    pub(super) const kexec_file_load: i64 = libc::SYS_kexec_file_load;
    #[cfg(target_arch = "x86_64")]
    pub(super) const lchown: i64 = libc::SYS_lchown;
    #[cfg(target_arch = "x86_64")]
    pub(super) const link: i64 = libc::SYS_link;
    #[cfg(target_arch = "x86_64")]
    pub(super) const lstat: i64 = libc::SYS_lstat;
    #[cfg(target_arch = "x86_64")]
    pub(super) const mkdir: i64 = libc::SYS_mkdir;
    #[cfg(target_arch = "x86_64")]
    pub(super) const mknod: i64 = libc::SYS_mknod;
    #[cfg(target_arch = "x86_64")]
    pub(super) const modify_ldt: i64 = libc::SYS_modify_ldt;
    #[cfg(target_arch = "x86_64")]
    pub(super) const open: i64 = libc::SYS_open;
    #[cfg(target_arch = "x86_64")]
    pub(super) const pause: i64 = libc::SYS_pause;
    #[cfg(target_arch = "x86_64")]
    pub(super) const pipe: i64 = libc::SYS_pipe;
    #[cfg(target_arch = "x86_64")]
    pub(super) const poll: i64 = libc::SYS_poll;
    #[cfg(target_arch = "x86_64")]
    pub(super) const readlink: i64 = libc::SYS_readlink;
    #[cfg(target_arch = "x86_64")]
    pub(super) const rename: i64 = libc::SYS_rename;
    #[cfg(target_arch = "x86_64")]
    pub(super) const renameat: i64 = libc::SYS_renameat;
    #[cfg(target_arch = "x86_64")]
    pub(super) const rmdir: i64 = libc::SYS_rmdir;
    #[cfg(target_arch = "x86_64")]
    pub(super) const select: i64 = libc::SYS_select;
    #[cfg(target_arch = "x86_64")]
    pub(super) const signalfd: i64 = libc::SYS_signalfd;
    #[cfg(target_arch = "x86_64")]
    pub(super) const stat: i64 = libc::SYS_stat;
    #[cfg(target_arch = "x86_64")]
    pub(super) const symlink: i64 = libc::SYS_symlink;
    #[cfg(target_arch = "x86_64")]
    pub(super) const time: i64 = libc::SYS_time;
    #[cfg(target_arch = "x86_64")]
    pub(super) const unlink: i64 = libc::SYS_unlink;
    #[cfg(target_arch = "x86_64")]
    pub(super) const utime: i64 = libc::SYS_utime;
    #[cfg(target_arch = "x86_64")]
    pub(super) const utimes: i64 = libc::SYS_utimes;
    #[cfg(target_arch = "x86_64")]
    pub(super) const vfork: i64 = libc::SYS_vfork;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ALLOWED, ALLOWED_OLD, OF_PATHS, OF_PATHS_OLD, REFUSED, REFUSED_OLD, name, of_path};

    #[test]
    fn a_call_stands_in_one_list() {
        let allowed: BTreeSet<i64> = ALLOWED.iter().chain(ALLOWED_OLD).map(|(_, number)| *number).collect();
        assert_eq!(allowed.len(), ALLOWED.len() + ALLOWED_OLD.len());
        let refused: BTreeSet<i64> = REFUSED.iter().chain(REFUSED_OLD).map(|(_, number)| *number).collect();
        assert_eq!(refused.len(), REFUSED.len() + REFUSED_OLD.len());
        assert!(allowed.is_disjoint(&refused));
        let paths = OF_PATHS.iter().chain(OF_PATHS_OLD);
        assert!(paths.clone().all(|(_, number, _)| allowed.contains(number) && of_path(*number).is_some()));
        assert!(paths.clone().all(|(expected, number, _)| name(*number) == *expected));
    }
}
