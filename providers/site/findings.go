package site

import (
	"meshrotate/reconciler"
)

// Problem is a finding that refuses a rotation. Its text begins with the name of its host, where it is about one: those that say
// the same of several hosts are shown as one.
func Problem(code reconciler.FindingID, text, hint string, hosts ...string) reconciler.Finding {
	return reconciler.Finding{Severity: reconciler.Error, Code: code, Text: text, Hint: hint, Hosts: hosts}
}

// Warning is one that refuses nothing.
func Warning(code reconciler.FindingID, text, hint string, hosts ...string) reconciler.Finding {
	f := Problem(code, text, hint, hosts...)
	f.Severity = reconciler.Warning
	return f
}

// Note is one that asks for nothing.
func Note(code reconciler.FindingID, text, hint string) reconciler.Finding {
	f := Problem(code, text, hint)
	f.Severity = reconciler.Note
	return f
}
