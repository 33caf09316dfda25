package machine

import (
	"context"
	"errors"
	"strings"

	"meshrotate/providers/winhost"
)

// do is what host.ps1 does for each op.
func (m *Machine) do(ctx context.Context, op winhost.Op) winhost.Result {
	if _, unknown := op.(*winhost.UnknownOp); !unknown && strings.HasPrefix(op.Name(), "file.") && !absolute(m.Expand(op.Object())) {
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
	case *winhost.EnvironmentRead:
		return m.environmentRead(o)
	case *winhost.MachineIdentity:
		return winhost.Result{Code: winhost.OK, Machine: m.identity()}
	case *winhost.LogMark:
		return m.logMark(o)
	case *winhost.LogMatch:
		return m.logMatch(o)
	}
	return winhost.Result{Code: winhost.Unsupported, Message: "unknown op"}
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
	return &winhost.Identity{
		ComputerName: m.Name, Domain: m.Domain, MachineGUID: m.GUID, OSVersion: osVersion, PSVersion: "5.1.20348.2227",
		LanguageMode: "FullLanguage", Now: m.now().UTC(), Elevated: winhost.Yes,
	}
}

// absolute says whether a path begins at a drive or a share.
func absolute(path string) bool {
	return len(path) > 2 && path[1] == ':' && path[2] == '\\' || strings.HasPrefix(path, `\\`)
}
