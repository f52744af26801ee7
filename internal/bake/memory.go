package bake

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// memoryLimit is what a bake gets by with. A tree of 100,000 files and its plan take some 45 MiB, the
// buffers 17; without a limit Go would let as much garbage stand beside them.
const memoryLimit = 224 << 20

// LimitMemory has Go collect garbage early enough that the process stays below 256 MiB, up to some
// 250,000 files. It is for programs whose main job is a bake. GOMEMLIMIT overrides it.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// makeRoom raises the limit that LimitMemory has set where the tree and the plan take most of it: a
// collector without room would run all the time.
func makeRoom() {
	if debug.SetMemoryLimit(-1) != memoryLimit {
		return
	}
	if live() < memoryLimit*2/3 {
		return
	}
	runtime.GC()             // the last one may have seen the medium's directory, which is garbage by now
	const buffers = 48 << 20 // of the pipeline, and what verifying needs
	if need := live()*5/4 + buffers; need > memoryLimit {
		debug.SetMemoryLimit(need)
	}
}

// live is what was not garbage when the collector ran last, in bytes.
func live() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(s[0].Value.Uint64())
}
