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
 *   settle                       returns when deferred and async probing have
 *                                ended (wait_for_device_probe(); the write
 *                                sleeps until then)
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
 *                   arg=N says which argument (0..7) is the struct device
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
 * EVENTS, each with seq= (one sequence for the module's life) and ts=
 * (CLOCK_MONOTONIC, ns); those that a task causes add tid= comm= [actor=]:
 *   hit    rule= point= on= nth= [dev=] [group=] [ret=]
 *   held   rule= point= on= wait_for= timeout_us= [dev=]
 *   end    rule= how=met|blocked|timeout|released|killed [by=SIGNAL] held_us=
 *   delay  rule= us=
 *   signal name= by=rule|bus|owner
 *   bus    what=added|removed|binding|bound|unbinding|unbound|deferred|failed
 *          dev= [driver=] [err=]
 *   audit  at=demand|binding|bound and AUDIT WORDS
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

/* Verbs of requests */
#define DMARACE_V_ABI		"abi"
#define DMARACE_V_POINTS	"points"
#define DMARACE_V_STATUS	"status"
#define DMARACE_V_AUDIT		"audit"
#define DMARACE_V_RULE		"rule"
#define DMARACE_V_ACTOR		"actor"
#define DMARACE_V_SIGNAL	"signal"
#define DMARACE_V_ARM		"arm"
#define DMARACE_V_DISARM	"disarm"
#define DMARACE_V_CLEAR		"clear"
#define DMARACE_V_LEASE		"lease"
#define DMARACE_V_SETTLE	"settle"
#define DMARACE_V_UEVENT	"uevent"

/* Verbs of events; audit, signal and lease are words of both directions */
#define DMARACE_E_REPLY		"reply"
#define DMARACE_E_HIT		"hit"
#define DMARACE_E_HELD		"held"
#define DMARACE_E_END		"end"
#define DMARACE_E_DELAY		"delay"
#define DMARACE_E_SIGNAL	"signal"
#define DMARACE_E_BUS		"bus"
#define DMARACE_E_AUDIT		"audit"
#define DMARACE_E_COUNT		"count"
#define DMARACE_E_LOST		"lost"
#define DMARACE_E_GATE		"gate"
#define DMARACE_E_LEASE		"lease"
#define DMARACE_E_POINT		"point"

/* Built-in signals are PREFIX:NAME */
#define DMARACE_S_DONE		"done"
#define DMARACE_S_STEP		"step"
#define DMARACE_S_BLOCKED	"blocked"
#define DMARACE_S_BINDING	"binding"
#define DMARACE_S_BOUND		"bound"
#define DMARACE_S_UNBOUND	"unbound"
#define DMARACE_S_ADDED		"added"
#define DMARACE_S_REMOVED	"removed"
#define DMARACE_S_DEFERRED	"deferred"

/* Locks that are always held at a point (bits; names in the same order) */
#define DMARACE_LOCK_DEVICE	0x01	/* device_lock() of the point's device */
#define DMARACE_LOCK_PROBE	0x02	/* iommu_probe_device_lock */
#define DMARACE_LOCK_GROUP	0x04	/* iommu_group.mutex */
#define DMARACE_LOCK_NAMES	{ "device", "probe", "group" }

#endif
