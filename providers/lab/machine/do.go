package machine

import (
	"context"
	"errors"
	"strings"

	"meshrotate/providers/winhost"
)

// do is what host.ps1 does for each op. An op under way tells lines.
func (m *Machine) do(ctx context.Context, op winhost.Op, known lists, tell func(line string)) winhost.Result {
	if path, ok := pathOf(op); ok && !absolute(m.Expand(path)) {
		return failure(errBadPath, "the path is not absolute")
	}
	switch o := op.(type) {
	case *winhost.FileRead:
		return m.fileRead(o)
	case *winhost.FileStage:
		return m.fileStage(o)
	case *winhost.FileSwap:
		return m.fileSwap(o)
	case *winhost.FileRestore:
		return m.fileRestore(o)
	case *winhost.FileDiscard:
		return m.fileDiscard(o)
	case *winhost.ServiceQuery:
		s := m.Service(o.Service)
		return winhost.Result{Code: winhost.OK, Service: &s}
	case *winhost.ServiceStop:
		return m.serviceStop(ctx, o)
	case *winhost.ServiceStart:
		return m.serviceStart(ctx, o)
	case *winhost.ServiceLogon:
		return m.serviceLogon(o)
	case *winhost.LogonTry:
		return m.logonTry(o)
	case *winhost.LogonRead:
		return m.logonRead(o)
	case *winhost.EnvironmentRead:
		return m.environmentRead(o)
	case *winhost.MachineIdentity:
		return winhost.Result{Code: winhost.OK, Machine: m.identity()}
	case *winhost.SQLSignIn:
		return m.sqlSignIn(o)
	case *winhost.SQLReach:
		return m.sqlReach(o)
	case *winhost.LogMark:
		return m.logMark(o)
	case *winhost.LogMatch:
		return m.logMatch(o)
	case *winhost.Preflight:
		return m.preflight(o)
	case *winhost.Exposure:
		return m.exposure(o)
	case *winhost.SignaturesRead:
		return m.signatures(o)
	case *winhost.CertificatesRead:
		return winhost.Result{Code: winhost.OK, Certificates: m.Certificates(o.Store)}
	case *winhost.CertificateImport:
		return m.certificateImport(o)
	case *winhost.CertificateRemove:
		return m.certificateRemove(o)
	case *winhost.VariableRead:
		return m.variableRead(o)
	case *winhost.VariableSet:
		return m.variableSet(o)
	case *winhost.BuildRun:
		return m.buildRun(ctx, o, tell)
	case *winhost.SecretsLook:
		return m.secretsLook(ctx, o)
	case *winhost.SecretsSet:
		return m.secretsSet(ctx, o)
	case *winhost.SecretsList:
		return m.secretsList(ctx, o, known)
	}
	return winhost.Result{Code: winhost.Unsupported, Message: "unknown op"}
}

// refused is Windows Sockets' number for a port where nobody listens.
const refused = 10061

func (m *Machine) sqlReach(o *winhost.SQLReach) winhost.Result {
	found := &winhost.Reached{Client: m.SQL != nil, Error: refused}
	if m.Port != nil {
		found.Error = m.Port(o.Server, o.Port)
	}
	return winhost.Result{Code: winhost.OK, Reached: found}
}

func (m *Machine) sqlSignIn(o *winhost.SQLSignIn) winhost.Result {
	if m.SQL == nil {
		return winhost.Result{Code: winhost.Unsupported, Message: "there is no client of SQL Server here"}
	}
	answer := m.SQL(string(o.Text.Expose()))
	return winhost.Result{Code: winhost.OK, SQL: &answer}
}

// pathOf is the path that must be absolute.
func pathOf(op winhost.Op) (path string, ok bool) {
	switch o := op.(type) {
	case *winhost.UnknownOp:
		return "", false
	case *winhost.Preflight:
		return o.Path, o.Path != ""
	case *winhost.Exposure:
		return o.Path, o.Path != ""
	case *winhost.SignaturesRead:
		return o.Folder, true
	case *winhost.BuildRun:
		return o.Script, true
	case *winhost.SecretsLook:
		return o.Program, true
	case *winhost.SecretsSet:
		return o.Program, true
	case *winhost.SecretsList:
		return o.Program, true
	}
	return op.Object(), strings.HasPrefix(op.Name(), "file.")
}

// failure is the result for an error number.
func failure(e Errno, message string) winhost.Result {
	r := winhost.Result{Code: winhost.Failed, Win32: uint32(e), Message: message}
	switch e {
	case ErrFileNotFound, ErrPathNotFound, ErrNoService:
		r.Code = winhost.NotFound
	case ErrAccessDenied:
		r.Code = winhost.Denied
	case ErrSharing:
		r.Code = winhost.Sharing
	case ErrDiskFull:
		r.Code = winhost.DiskFull
	}
	return r
}

// failed is the result for an error of a disk or of the service manager.
func failed(err error, message string) winhost.Result {
	var e Errno
	if errors.As(err, &e) {
		return failure(e, message)
	}
	return winhost.Result{Code: winhost.Failed, Message: message + ": " + err.Error()}
}

func (m *Machine) identity() *winhost.Identity {
	guid, installed := m.Whose()
	return &winhost.Identity{
		ComputerName: m.Name, Domain: m.Domain, MachineGUID: guid, Installed: installed, OSVersion: osVersion, PSVersion: "5.1.20348.2227",
		LanguageMode: "FullLanguage", Now: m.now().UTC(),
	}
}

// absolute says whether a path begins at a drive or a share.
func absolute(path string) bool {
	return len(path) > 2 && path[1] == ':' && path[2] == '\\' || strings.HasPrefix(path, `\\`)
}
