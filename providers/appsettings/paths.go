package appsettings

import (
	slashes "path"
	"strings"
)

// Join is a Windows path below a folder, or the path itself where it is a full one.
func Join(folder, name string) string {
	if strings.HasPrefix(name, `\`) || strings.HasPrefix(name, "/") || len(name) > 1 && name[1] == ':' {
		return name
	}
	return strings.TrimRight(folder, `\/`) + `\` + name
}

// Clean is a Windows path without "." and "..", and without a separator at its end.
func Clean(p string) string {
	clean := strings.ReplaceAll(slashes.Clean(strings.ReplaceAll(p, `\`, "/")), "/", `\`)
	if strings.HasPrefix(p, `\\`) {
		return `\` + clean
	}
	return clean
}

// Split cuts a Windows path into its folder and its name.
func Split(p string) (folder, name string) {
	i := strings.LastIndexAny(p, `\/`)
	return p[:max(i, 0)], p[i+1:]
}
