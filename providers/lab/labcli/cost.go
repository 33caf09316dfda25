package labcli

import (
	"encoding/json"
	"os"
	"runtime/metrics"
)

// costFile is the environment variable that names a file for what the process has allocated: nobody else can know that. bench
// sets it, and people have no use for it.
const costFile = "MESHROTATE_COST_FILE"

// allocated is what a process has allocated since it began.
type allocated struct {
	Objects uint64 `json:"objects"`
	Bytes   uint64 `json:"bytes"`
}

// TellCost writes it at the end of a process that was asked for it.
func TellCost() {
	path := os.Getenv(costFile)
	if path == "" {
		return
	}
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(samples)
	b, err := json.Marshal(allocated{samples[0].Value.Uint64(), samples[1].Value.Uint64()})
	if err == nil {
		_ = os.WriteFile(path, b, 0o600) // who asked misses it
	}
}
