// Cmd is the program of package tool, with its store beside it.
package main

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"meshrotate/providers/winhost/winhosttest/tool"
)

type folder string

func (f folder) Put(ref string, value []byte) {
	if err := os.WriteFile(filepath.Join(string(f), tool.File(ref)), value, 0o600); err != nil {
		panic("the store cannot be written")
	}
}

func (f folder) Open(file string) ([]byte, error) {
	stat, err := os.Stat(file)
	if err == nil && stat.Mode().Perm() != 0o600 {
		return nil, os.ErrPermission
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

func (f folder) List() (refs []string) {
	names, _ := filepath.Glob(filepath.Join(string(f), "stored-*"))
	for _, name := range names {
		if ref, err := hex.DecodeString(strings.TrimPrefix(filepath.Base(name), "stored-")); err == nil {
			refs = append(refs, string(ref))
		}
	}
	return refs
}

func main() {
	os.Exit(int(tool.Run(os.Args[1:], os.Stdin, os.Stdout, folder(filepath.Dir(os.Args[0])), nil)))
}
