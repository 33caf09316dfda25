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

// Clean is a Windows path without "." and "..", without a separator at its end, and without the prefix \\?\, under which Windows
// finds the same file.
func Clean(p string) string {
	if isClean(p) {
		return p // as nearly every path is written
	}
	return cleaned(p)
}

func isClean(p string) bool {
	return p != "" && !strings.ContainsRune(p, '/') && !strings.HasPrefix(p, ".") && !strings.Contains(p, `\.`) && !strings.Contains(p, `\\`) && !strings.HasSuffix(p, `\`)
}

func cleaned(p string) string {
	p = strings.ReplaceAll(p, "/", `\`)
	if rest, ok := strings.CutPrefix(p, `\\?\`); ok {
		switch {
		case len(rest) > 4 && strings.EqualFold(rest[:4], `UNC\`):
			p = `\\` + rest[4:]
		case len(rest) > 2 && rest[1] == ':':
			p = rest
		}
	}
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
