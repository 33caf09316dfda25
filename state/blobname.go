package state

import (
	"fmt"
	"strings"
)

// CheckBlob says why a name is none for a blob: it is FOLDER/FILE, two plain names, so that no backend has to trust it.
func CheckBlob(name string) error {
	folder, file, both := strings.Cut(name, "/")
	if !both || !plain(folder) || !plain(file) {
		return fmt.Errorf("%q is not the name of a kept value: it is FOLDER/FILE", name)
	}
	return nil
}

// CheckFolder is CheckBlob for the folder alone.
func CheckFolder(folder string) error {
	if !plain(folder) {
		return fmt.Errorf("%q is not the name of a folder of kept values", folder)
	}
	return nil
}

// plain names mean the same on every file system: they climb nowhere, name no stream and no temporary file of another
// writer, and Windows takes nothing off their end.
func plain(name string) bool {
	if name == "" || len(name) > 255 || name[0] == '.' || strings.HasSuffix(name, ".") || strings.HasSuffix(name, ".tmp") {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`/\:*?"<>|`, c) >= 0 {
			return false
		}
	}
	return true
}
