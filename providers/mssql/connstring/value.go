package connstring

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

const maxInt = math.MaxInt32

func text(value string) (string, bool) { return value, true }

// truth knows true, yes, false and no: neither 1 nor on.
func truth(value string) (string, bool) {
	switch asciiLower(strings.TrimFunc(value, unicode.IsSpace)) {
	case "true", "yes":
		return "True", true
	case "false", "no":
		return "False", true
	}
	return "", false
}

func truthOrSSPI(value string) (string, bool) {
	if asciiLower(strings.TrimFunc(value, unicode.IsSpace)) == "sspi" {
		return "True", true
	}
	return truth(value)
}

// onlyFalse is for a context connection, which exists within SQL Server alone.
func onlyFalse(value string) (string, bool) {
	is, ok := truth(value)
	return is, ok && is == "False"
}

// encryption takes no white space, unlike the other truths.
func encryption(value string) (string, bool) {
	switch lower(value) {
	case "true", "yes", "mandatory":
		return "True", true
	case "false", "no", "optional":
		return "False", true
	case "strict":
		return "Strict", true
	}
	return "", false
}

// number is a reader of what Int32.Parse takes within a range.
func number(low, high int64) reader {
	return func(value string) (string, bool) {
		n, err := strconv.ParseInt(strings.Trim(value, " \t\n\v\f\r"), 10, 32)
		return strconv.FormatInt(n, 10), err == nil && low <= n && n <= high
	}
}

// oneOf is a reader of names in any case.
func oneOf(names ...string) reader {
	return func(value string) (string, bool) {
		value = asciiLower(strings.TrimFunc(value, unicode.IsSpace))
		for _, name := range names {
			if value == asciiLower(name) {
				return name, true
			}
		}
		return "", false
	}
}

// authentication is written with spaces or without.
func authentication(value string) (string, bool) {
	spaced, ok := oneOf("Sql Password", "Active Directory Password", "Active Directory Integrated", "Active Directory Interactive",
		"Active Directory Service Principal", "Active Directory Device Code Flow", "Active Directory Managed Identity",
		"Active Directory MSI", "Active Directory Default", "Active Directory Workload Identity")(value)
	if ok {
		return strings.ReplaceAll(spaced, " ", ""), true
	}
	return oneOf("SqlPassword", "ActiveDirectoryPassword", "ActiveDirectoryIntegrated", "ActiveDirectoryInteractive",
		"ActiveDirectoryServicePrincipal", "ActiveDirectoryDeviceCodeFlow", "ActiveDirectoryManagedIdentity",
		"ActiveDirectoryMSI", "ActiveDirectoryDefault", "ActiveDirectoryWorkloadIdentity")(value)
}

// asciiLower is enough for names in ASCII: .NET compares them ordinally, and no other character equals one of theirs.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
