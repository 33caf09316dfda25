package engine

import (
	"os"
	"path/filepath"

	"meshrotate/providers/lab/machine"
)

// disk is a machine's disk in a folder. The lab puts files on it that the script then finds there.
type disk struct{ machine.Dir }

// Create makes the folders that the product's installer would have made, and lets nobody else read a new file.
func (d disk) Create(path string, content []byte, like string) error {
	if err := os.MkdirAll(filepath.Dir(d.Local(path)), 0o700); err != nil {
		return err
	}
	if err := d.Dir.Create(path, content, like); err != nil || like != "" {
		return err
	}
	return os.Chmod(d.Local(path), 0o600)
}
