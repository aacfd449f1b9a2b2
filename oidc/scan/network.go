package scan

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/ephemeral"
)

// Network is a network that an operator has named, so that people know from where they are
// asked: "市民中心一楼大厅".
type Network struct {
	Prefix netip.Prefix
	Name   string
}

// Networks are named networks; a narrower one goes before a wider one.
type Networks []Network

// Bounds of what operators name.
const (
	maxNetworks    = 1000
	maxNetworkName = 40 // characters
)

// ParseNetworks reads networks, each as PREFIX=NAME, such as 203.0.113.0/24=市民中心一楼大厅. A
// prefix is written without bits of a host, and comes once.
func ParseNetworks(texts []string) (Networks, error) {
	if len(texts) > maxNetworks {
		return nil, fmt.Errorf("there are more than %d networks", maxNetworks)
	}
	all := make(Networks, 0, len(texts))
	for _, text := range texts {
		n, err := parseNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		if slices.ContainsFunc(all, func(o Network) bool { return o.Prefix == n.Prefix }) {
			return nil, fmt.Errorf("%q: this network comes twice", text)
		}
		all = append(all, n)
	}
	slices.SortStableFunc(all, func(a, b Network) int { return b.Prefix.Bits() - a.Prefix.Bits() })
	return all, nil
}

func parseNetwork(text string) (Network, error) {
	prefix, name, found := strings.Cut(text, "=")
	p, err := netip.ParsePrefix(strings.TrimSpace(prefix))
	name = strings.TrimSpace(name)
	switch {
	case !found || err != nil:
		return Network{}, errors.New("this isn't a network with its name, such as 203.0.113.0/24=市民中心一楼大厅")
	case p != p.Masked() || p.Addr().Is4In6():
		return Network{}, errors.New("the address isn't that of the network")
	case p.Bits() == 0:
		return Network{}, errors.New("this is every address")
	case name == "" || utf8.RuneCountInString(name) > maxNetworkName || !oidc.IsText(name) || strings.Contains(name, ","):
		return Network{}, fmt.Errorf("a name has 1 to %d characters, and no comma", maxNetworkName)
	}
	return Network{p, name}, nil
}

// Name returns what the narrowest network of an address is called, or "" if it has no name. No
// place is guessed.
func (ns Networks) Name(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	for _, n := range ns {
		if n.Prefix.Contains(a) {
			return n.Name
		}
	}
	return ""
}

// Same reports whether two addresses surely are of one network: of networks of one name, of one
// IPv4 address, or of one IPv6 network as a household has it.
func (ns Networks) Same(a, b netip.Addr) bool {
	if !a.IsValid() || !b.IsValid() {
		return false
	}
	if name := ns.Name(a); name != "" && name == ns.Name(b) {
		return true
	}
	return ephemeral.NetworkOf(a) == ephemeral.NetworkOf(b)
}

// parse reads an address that was stored.
func parse(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a
}
