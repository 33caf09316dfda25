package labcli

import (
	"fmt"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
)

// openEngine finds what runs the host script; "" is the model in Go.
func openEngine(name string) (lab.Engine, error) {
	if name == "" {
		return nil, nil
	}
	return nil, reconciler.Hinted(fmt.Errorf("no engine %q", name), "the engines are pwsh and pwsh-windows")
}
