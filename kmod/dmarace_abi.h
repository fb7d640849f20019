/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The contract between dmarace.ko and whoever opens /dev/dmarace.
 *
 * Both directions carry lines of text. A line is a verb followed by key=value
 * words, separated by single spaces and ended by '\n'. A value that holds a
 * space, a quote or a backslash is written in double quotes, with \" and \\
 * as the only escapes. Keys come in any order; readers skip keys they do not
 * know, the module refuses keys it does not know.
 *
 * One write() takes whole lines, DMARACE_WRITE_MAX bytes at most, and is all
 * or nothing: EINVAL leaves everything as it was and queues a reply with
 * ok=0 and a reason.
 *
 * Requests, open to every privileged opener (CAP_SYS_ADMIN):
 *   abi                          version of this contract
 *   points                       the point table as this kernel has it
 *   status                       owner, gate, rules with their counts, holds
 *   audit [dev=BUS/NAME] [map=0] DMA facts of one device, or of every device
 *                                that has a group, a driver or a firmware IOMMU
 *   where dev=BUS/NAME           where a device and what belongs to it are in
 *                                the kernel's memory (WHERE WORDS)
 *   settle                       returns when deferred and async probing have
 *                                ended (wait_for_device_probe(); the write
 *                                sleeps until then); rest=1: and no thread of
 *                                the kernel had anything to do, or was woken
 * Requests of the owner (the first one makes its opener the owner; EBUSY for
 * everybody else until the owner closes):
 *   rule point=.. on=.. ...      add a rule (see RULE WORDS)
 *   actor name=.. pid=..         tasks of process pid act under this name
 *   signal name=..               raise a signal (done:ACTOR, step:ACTOR:N,
 *                                blocked:ACTOR, or one of the job's own)
 *   arm iter=N seed=S            clear latches and counts, open the gate
 *   disarm                       close the gate, release every held task,
 *                                report one count line for each rule
 *   clear                        drop all rules, keep ownership
 *   lease                        renew the lease (every owner write does)
 *   uevent kind=.. [dev=] [iter=N]  send a uevent of the control device, for
 *                                udev rules and libudev clients (UEVENTS)
 *
 * A request may carry id=TOKEN; its reply carries re=TOKEN, or re=VERB when
 * no id was given. Replies go to the asker, and with them the lines that were
 * asked for (point, count of status, audit at=demand); events go to every
 * open reader.
 *
 * RULE WORDS
 *   point=NAME      a row of the point table; with unsafe=1 any symbol, then
 *                   arg=N says which argument (0..7) is the device: a struct
 *                   device, pci_dev or iommu_group, which the module finds out
 *   on=enter|exit   default enter
 *   filters: dev=BUS/NAME group=N task=GLOB actor=NAME from=FUNCTION nth=N
 *            ret=N (on=exit: only when the function returned N)
 *            from= matches any function of the call chain, compiler suffixes
 *            (.part.0, .isra.0, .constprop.0) left out
 *   fault injection: probability=PERCENT interval=N times=N space=N
 *   actions, in this order: delay=TIME or delay=TIME..TIME, signal=NAME,
 *            wait_for=NAME[,NAME..] with timeout=TIME, return=N
 *   optional=1      the rule need not be hit for the iteration to count
 *   name=LABEL      echoed in events; default is its number from 1
 * TIME is a whole number with ns, us, ms or s. on=enter with return= leaves
 * the function out; on=exit with return= replaces what it returned.
 *
 * A hold that waits for done:A or step:A:N also ends, as 'blocked', when
 * blocked:A is raised.
 *
 * BLOCKED
 * From 5.19 on the module raises blocked:A itself: a task of A has waited for a
 * mutex, or for an rwsem that a writer owns, for longer than an instant, and its
 * owner is held, or waits for such a lock in turn. The signal is down again when
 * the task has its lock. What has no owner to be read is the owner's of the
 * module to notice and raise; that stays up like any signal. contended= of a
 * status, waits for locks so far, is there where the module sees them.
 *
 * EVENTS, each with seq= (one sequence for the module's life) and ts=
 * (CLOCK_MONOTONIC, ns); those that a task causes add tid= comm= [actor=]:
 *   hit    rule= point= on= nth= [dev=] [group=] [ret=]
 *   held   rule= point= on= wait_for= timeout_us= [dev=]
 *   end    rule= how=met|blocked|timeout|released|killed [by=SIGNAL] held_us=
 *   delay  rule= us=
 *   signal name= by=rule|bus|owner|lock; by=lock is of a task that waits for a
 *          lock which leads to a held one (BLOCKED): lock=mutex|rwsem [sym=]
 *          owner=ACTOR|COMM owner_tid= (of the lock) rule= (of the hold) us=
 *          (that it has waited)
 *   bus    what=added|removed|binding|bound|unbinding|unbound|deferred|failed
 *          dev= [driver=] [err=]
 *   audit  at=demand|binding|bound and AUDIT WORDS
 *   where  (reply to where) dev= [group=N] and WHERE WORDS
 *   count  rule= point= armed=0|1 hits= acted= met= blocked= timeout= unhit=
 *          released= atomic= nmissed=
 *   lost   n=     this reader was too slow: n lines never reached it
 *   gate   state=open|closed why=
 *   lease  state=lost pid=
 *   point  (reply to points) name= found=0|1 sym= locks= sleeps=0|1 why=
 *   reply  re= ok=0|1 [err=ENAME] [reason=".."] [more keys]
 *
 * UEVENTS of the control device (subsystem misc, action change)
 *   DMARACE_KIND=      the kind of failure that an iteration showed
 *   DMARACE_DEVICE=    BUS/NAME, empty where the failure is no device's
 *   DMARACE_ITERATION=N
 *
 * AUDIT WORDS (facts; a fact that cannot be had is left out)
 *   dev= driver= bound=0|1 managed=0|1 (driver_managed_dma) owned=0|1
 *   (iommu_group_dma_owner_claimed) fw=0|1 (firmware says it has an IOMMU)
 *   iommus=N (instances that its device tree node names, each once)
 *   fwspec=0|1 iommu=NAME (instance) iommu_refs=N group=N
 *   domain=none|blocked|identity|unmanaged|dma|dma-fq|other
 *   domain_id=HEX (opaque, equal while the domain is the same object)
 *   via_iommu=0|1 (the DMA API goes through the IOMMU)
 *   map=ok|mismatch|error|skipped reason=".." addr= phys= iova_phys=
 *
 * WHERE WORDS (addresses, HEX; 0 for what is not there, or cannot be read)
 *   device_at= parent_at= driver_at= driver_private_at= dev_iommu_at=
 *   iommu_device_at= group_at=
 * Refused (EPERM) where lockdown refuses reading the kernel's memory.
 */
#ifndef DMARACE_ABI_H
#define DMARACE_ABI_H

#define DMARACE_DEVICE		"dmarace"
#define DMARACE_DEV_PATH	"/dev/dmarace"
#define DMARACE_ABI		1

/* Limits. Times are milliseconds unless the name says otherwise. */
#define DMARACE_WRITE_MAX	4096	/* bytes in one write() */
#define DMARACE_LINE_MAX	1024	/* bytes in one line, both ways */
#define DMARACE_NAME_MAX	96	/* a device, signal or rule name, with NUL */
#define DMARACE_RULES_MAX	128
#define DMARACE_ACTORS_MAX	32
#define DMARACE_SIGNALS_MAX	256
#define DMARACE_WAITS_MAX	4	/* alternatives of one wait_for */
#define DMARACE_QUEUE_MAX	16384	/* lines one reader may fall behind */
#define DMARACE_LEASE_MS	10000
#define DMARACE_HOLD_MAX_MS	10000	/* and half of hung_task_timeout */
#define DMARACE_DELAY_MAX_MS	10000
#define DMARACE_LOAD_BUDGET_MS	120000	/* all holds of rules= at load */

/*
 * The words. Every word stands once, as PREFIX_ID, and a list names the IDs
 * of what belongs together: LIST(X) is X(ID) for each of them.
 */

/* Verbs of requests: everybody's, then the owner's. */
#define DMARACE_V_ABI		"abi"
#define DMARACE_V_POINTS	"points"
#define DMARACE_V_STATUS	"status"
#define DMARACE_V_AUDIT		"audit"
#define DMARACE_V_WHERE		"where"
#define DMARACE_V_SETTLE	"settle"
#define DMARACE_V_RULE		"rule"
#define DMARACE_V_ACTOR		"actor"
#define DMARACE_V_SIGNAL	"signal"
#define DMARACE_V_ARM		"arm"
#define DMARACE_V_DISARM	"disarm"
#define DMARACE_V_CLEAR		"clear"
#define DMARACE_V_LEASE		"lease"
#define DMARACE_V_UEVENT	"uevent"

#define DMARACE_OPEN_REQUESTS(X) \
	X(ABI) X(POINTS) X(STATUS) X(AUDIT) X(WHERE) X(SETTLE)
#define DMARACE_OWNER_REQUESTS(X) \
	X(RULE) X(ACTOR) X(SIGNAL) X(ARM) X(DISARM) X(CLEAR) X(LEASE) \
	X(UEVENT)
#define DMARACE_REQUESTS(X) \
	DMARACE_OPEN_REQUESTS(X) DMARACE_OWNER_REQUESTS(X)

/* Verbs of events; audit, where, signal and lease are words of both directions. */
#define DMARACE_E_REPLY		"reply"
#define DMARACE_E_HIT		"hit"
#define DMARACE_E_HELD		"held"
#define DMARACE_E_END		"end"
#define DMARACE_E_DELAY		"delay"
#define DMARACE_E_SIGNAL	"signal"
#define DMARACE_E_BUS		"bus"
#define DMARACE_E_AUDIT		"audit"
#define DMARACE_E_WHERE		"where"
#define DMARACE_E_COUNT		"count"
#define DMARACE_E_LOST		"lost"
#define DMARACE_E_GATE		"gate"
#define DMARACE_E_LEASE		"lease"
#define DMARACE_E_POINT		"point"

#define DMARACE_EVENTS(X) \
	X(REPLY) X(HIT) X(HELD) X(END) X(DELAY) X(SIGNAL) X(BUS) X(AUDIT) \
	X(WHERE) X(COUNT) X(LOST) X(GATE) X(LEASE) X(POINT)

/* Keys of a rule. */
#define DMARACE_K_ID		"id"
#define DMARACE_K_POINT		"point"
#define DMARACE_K_ON		"on"
#define DMARACE_K_NAME		"name"
#define DMARACE_K_DEV		"dev"
#define DMARACE_K_GROUP		"group"
#define DMARACE_K_TASK		"task"
#define DMARACE_K_ACTOR		"actor"
#define DMARACE_K_FROM		"from"
#define DMARACE_K_NTH		"nth"
#define DMARACE_K_RET		"ret"
#define DMARACE_K_PROBABILITY	"probability"
#define DMARACE_K_INTERVAL	"interval"
#define DMARACE_K_TIMES		"times"
#define DMARACE_K_SPACE		"space"
#define DMARACE_K_DELAY		"delay"
#define DMARACE_K_SIGNAL	"signal"
#define DMARACE_K_WAIT_FOR	"wait_for"
#define DMARACE_K_TIMEOUT	"timeout"
#define DMARACE_K_RETURN	"return"
#define DMARACE_K_UNSAFE	"unsafe"
#define DMARACE_K_ARG		"arg"
#define DMARACE_K_OPTIONAL	"optional"

#define DMARACE_RULE_WORDS(X) \
	X(ID) X(POINT) X(ON) X(NAME) X(DEV) X(GROUP) X(TASK) X(ACTOR) \
	X(FROM) X(NTH) X(RET) X(PROBABILITY) X(INTERVAL) X(TIMES) X(SPACE) \
	X(DELAY) X(SIGNAL) X(WAIT_FOR) X(TIMEOUT) X(RETURN) X(UNSAFE) \
	X(ARG) X(OPTIONAL)

/* Keys of an audit, those that a rule has as well left out. */
#define DMARACE_K_AT		"at"
#define DMARACE_K_DRIVER	"driver"
#define DMARACE_K_BOUND		"bound"
#define DMARACE_K_MANAGED	"managed"
#define DMARACE_K_OWNED		"owned"
#define DMARACE_K_FW		"fw"
#define DMARACE_K_IOMMUS	"iommus"
#define DMARACE_K_FWSPEC	"fwspec"
#define DMARACE_K_IOMMU		"iommu"
#define DMARACE_K_IOMMU_REFS	"iommu_refs"
#define DMARACE_K_DOMAIN	"domain"
#define DMARACE_K_DOMAIN_ID	"domain_id"
#define DMARACE_K_VIA_IOMMU	"via_iommu"
#define DMARACE_K_MAP		"map"
#define DMARACE_K_REASON	"reason"
#define DMARACE_K_ADDR		"addr"
#define DMARACE_K_PHYS		"phys"
#define DMARACE_K_IOVA_PHYS	"iova_phys"

#define DMARACE_AUDIT_WORDS(X) \
	X(AT) X(DEV) X(DRIVER) X(BOUND) X(MANAGED) X(OWNED) X(FW) X(IOMMUS) \
	X(FWSPEC) X(IOMMU) X(IOMMU_REFS) X(GROUP) X(DOMAIN) X(DOMAIN_ID) \
	X(VIA_IOMMU) X(MAP) X(REASON) X(ADDR) X(PHYS) X(IOVA_PHYS)

/* Keys of where, those that a rule has as well left out. */
#define DMARACE_K_DEVICE_AT		"device_at"
#define DMARACE_K_PARENT_AT		"parent_at"
#define DMARACE_K_DRIVER_AT		"driver_at"
#define DMARACE_K_DRIVER_PRIVATE_AT	"driver_private_at"
#define DMARACE_K_DEV_IOMMU_AT		"dev_iommu_at"
#define DMARACE_K_IOMMU_DEVICE_AT	"iommu_device_at"
#define DMARACE_K_GROUP_AT		"group_at"

#define DMARACE_WHERE_WORDS(X) \
	X(DEVICE_AT) X(PARENT_AT) X(DRIVER_AT) X(DRIVER_PRIVATE_AT) \
	X(DEV_IOMMU_AT) X(IOMMU_DEVICE_AT) X(GROUP_AT)

/* Keys of other lines. */
#define DMARACE_K_SEQ		"seq"
#define DMARACE_K_TS		"ts"
#define DMARACE_K_TID		"tid"
#define DMARACE_K_COMM		"comm"
#define DMARACE_K_RE		"re"
#define DMARACE_K_OK		"ok"
#define DMARACE_K_REST		"rest"
#define DMARACE_K_ERR		"err"
#define DMARACE_K_ABI		"abi"
#define DMARACE_K_ITER		"iter"
#define DMARACE_K_SEED		"seed"
#define DMARACE_K_PID		"pid"
#define DMARACE_K_KIND		"kind"
#define DMARACE_K_RULE		"rule"
#define DMARACE_K_WHAT		"what"
#define DMARACE_K_BY		"by"
#define DMARACE_K_HOW		"how"
#define DMARACE_K_HELD_US	"held_us"
#define DMARACE_K_US		"us"
#define DMARACE_K_TIMEOUT_US	"timeout_us"
#define DMARACE_K_ARMED		"armed"
#define DMARACE_K_HITS		"hits"
#define DMARACE_K_ACTED		"acted"
#define DMARACE_K_MET		"met"
#define DMARACE_K_BLOCKED	"blocked"
#define DMARACE_K_RELEASED	"released"
#define DMARACE_K_ATOMIC	"atomic"
#define DMARACE_K_NMISSED	"nmissed"
#define DMARACE_K_UNHIT		"unhit"
#define DMARACE_K_N		"n"
#define DMARACE_K_STATE		"state"
#define DMARACE_K_WHY		"why"
#define DMARACE_K_FOUND		"found"
#define DMARACE_K_SYM		"sym"
#define DMARACE_K_LOCKS		"locks"
#define DMARACE_K_SLEEPS	"sleeps"
#define DMARACE_K_OWNER		"owner"
#define DMARACE_K_LEASE_MS	"lease_ms"
#define DMARACE_K_GATE		"gate"
#define DMARACE_K_RULES		"rules"
#define DMARACE_K_HELD		"held"
#define DMARACE_K_LOCK		"lock"
#define DMARACE_K_OWNER_TID	"owner_tid"
#define DMARACE_K_CONTENDED	"contended"

/* Values of on= */
#define DMARACE_ON_ENTER	"enter"
#define DMARACE_ON_EXIT		"exit"

/* How a hold ends: how= */
#define DMARACE_HOW_MET		"met"
#define DMARACE_HOW_BLOCKED	"blocked"
#define DMARACE_HOW_TIMEOUT	"timeout"
#define DMARACE_HOW_RELEASED	"released"
#define DMARACE_HOW_KILLED	"killed"

/* Who raised a signal: by= */
#define DMARACE_BY_RULE		"rule"
#define DMARACE_BY_BUS		"bus"
#define DMARACE_BY_OWNER	"owner"
#define DMARACE_BY_LOCK		"lock"

/* What is waited for: lock= */
#define DMARACE_WAIT_MUTEX	"mutex"
#define DMARACE_WAIT_RWSEM	"rwsem"

/* What a bus told: what= */
#define DMARACE_BUS_ADDED	"added"
#define DMARACE_BUS_REMOVED	"removed"
#define DMARACE_BUS_BINDING	"binding"
#define DMARACE_BUS_BOUND	"bound"
#define DMARACE_BUS_UNBINDING	"unbinding"
#define DMARACE_BUS_UNBOUND	"unbound"
#define DMARACE_BUS_DEFERRED	"deferred"
#define DMARACE_BUS_FAILED	"failed"

/* When an audit was taken: at= */
#define DMARACE_AT_DEMAND	"demand"
#define DMARACE_AT_BINDING	"binding"
#define DMARACE_AT_BOUND	"bound"

/* Of a gate and of a lease: state= */
#define DMARACE_STATE_OPEN	"open"
#define DMARACE_STATE_CLOSED	"closed"
#define DMARACE_STATE_LOST	"lost"

/* Why a gate opened or closed: why= */
#define DMARACE_WHY_ARM		"arm"
#define DMARACE_WHY_LOAD	"load"
#define DMARACE_WHY_DISARM	"disarm"
#define DMARACE_WHY_CLEAR	"clear"
#define DMARACE_WHY_LEASE	"lease"
#define DMARACE_WHY_SUSPEND	"suspend"
#define DMARACE_WHY_REBOOT	"reboot"
#define DMARACE_WHY_OWNER_GONE	"owner gone"
#define DMARACE_WHY_UNLOAD	"unload"

/* A device's domain: domain= */
#define DMARACE_DOMAIN_NONE	"none"
#define DMARACE_DOMAIN_BLOCKED	"blocked"
#define DMARACE_DOMAIN_IDENTITY	"identity"
#define DMARACE_DOMAIN_UNMANAGED	"unmanaged"
#define DMARACE_DOMAIN_DMA	"dma"
#define DMARACE_DOMAIN_DMA_FQ	"dma-fq"
#define DMARACE_DOMAIN_OTHER	"other"

/* What mapping a page gave: map= */
#define DMARACE_MAP_OK		"ok"
#define DMARACE_MAP_MISMATCH	"mismatch"
#define DMARACE_MAP_ERROR	"error"
#define DMARACE_MAP_SKIPPED	"skipped"

/* Built-in signals are PREFIX:NAME. */
#define DMARACE_S_DONE		"done"
#define DMARACE_S_STEP		"step"
#define DMARACE_S_BLOCKED	"blocked"
#define DMARACE_S_BINDING	"binding"
#define DMARACE_S_BOUND		"bound"
#define DMARACE_S_UNBOUND	"unbound"
#define DMARACE_S_ADDED		"added"
#define DMARACE_S_REMOVED	"removed"
#define DMARACE_S_DEFERRED	"deferred"

#define DMARACE_SIGNAL_PREFIXES(X) \
	X(DONE) X(STEP) X(BLOCKED) X(BINDING) X(BOUND) X(UNBOUND) X(ADDED) \
	X(REMOVED) X(DEFERRED)

/* Keys of a uevent. */
#define DMARACE_U_KIND		"DMARACE_KIND"
#define DMARACE_U_DEVICE	"DMARACE_DEVICE"
#define DMARACE_U_ITERATION	"DMARACE_ITERATION"

#define DMARACE_UEVENT_KEYS(X) \
	X(KIND) X(DEVICE) X(ITERATION)

/* Errors that a reply names: the word is the name. Any other one is EIO. */
#define DMARACE_ERRORS(X) \
	X(EINVAL) X(EIO) X(ENOENT) X(EBUSY) X(EPERM) X(EACCES) X(ESRCH) \
	X(ENODEV) X(ENOSPC) X(ENOMEM) X(EAGAIN) X(EEXIST) X(EOPNOTSUPP) \
	X(EADDRNOTAVAIL) X(EILSEQ) X(ETIMEDOUT)

/* Locks that are always held at a point (bits; names in the same order) */
#define DMARACE_LOCK_DEVICE	0x01	/* device_lock() of the point's device */
#define DMARACE_LOCK_PROBE	0x02	/* iommu_probe_device_lock */
#define DMARACE_LOCK_GROUP	0x04	/* iommu_group.mutex */
#define DMARACE_LOCK_NAMES	{ "device", "probe", "group" }

/* Facts of a point (bits) */
#define DMARACE_SLEEPS		0x01	/* a task may sleep there */
/*
 * Others than the IOMMU probe of a device come by too, so iommu_probe_device_lock
 * is not among the locks; what a step of a job does there is always that probe.
 */
#define DMARACE_PROBING		0x02
/*
 * The same, unless a walk comes by: its second loop gives groups their domains
 * after the probes, without that lock.
 */
#define DMARACE_PROBING_ONE	0x04
#define DMARACE_REGISTERING	0x08	/* passed only where an IOMMU registers */

#endif
