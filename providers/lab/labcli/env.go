package labcli

import (
	"fmt"
	"os"
	"strings"
)

// readEnv reads the lab's file of `export NAME='value'` lines as NAME=value.
func readEnv(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the lab's environment: %w", err)
	}
	var env []string
	for line := range strings.Lines(string(b)) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if ok {
			env = append(env, name+"="+strings.Trim(value, "'"))
		}
	}
	return env, nil
}
