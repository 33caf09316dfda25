package tds

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Browser answers for the instances of a host, as SQL Server Browser does over UDP (MC-SQLR): on which port each listens.
type Browser struct {
	Host      string
	Instances map[string]int // ports, by instance
}

// Requests of MC-SQLR 2.2.
const (
	browseAll  = 0x03 // CLNT_UCAST_EX
	browseOne  = 0x04 // CLNT_UCAST_INST
	browseResp = 0x05
)

// Serve answers until the connection is closed. An instance that is not there gets no answer.
func (b Browser) Serve(pc net.PacketConn) error {
	request := make([]byte, 64)
	for {
		n, from, err := pc.ReadFrom(request)
		if err != nil {
			return err
		}
		wanted := ""
		switch {
		case n >= 1 && request[0] == browseAll:
		case n > 1 && request[0] == browseOne:
			wanted, _, _ = strings.Cut(string(request[1:n]), "\x00")
		default:
			continue
		}
		text := b.list(wanted)
		if text == "" {
			continue
		}
		answer := binary.LittleEndian.AppendUint16([]byte{browseResp}, uint16(len(text)))
		if _, err := pc.WriteTo(append(answer, text...), from); err != nil {
			return err
		}
	}
}

func (b Browser) list(wanted string) string {
	var all []string
	for name, port := range b.Instances {
		if wanted == "" || strings.EqualFold(name, wanted) {
			all = append(all, fmt.Sprintf("ServerName;%s;InstanceName;%s;IsClustered;No;Version;16.0.4135.4;tcp;%d;;", b.Host, name, port))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "")
}
