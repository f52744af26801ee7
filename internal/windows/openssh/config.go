package openssh

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

const (
	config = data + "/sshd_config"
	// maxConfig bounds what is read whole; the configuration that comes with sshd has 2 KiB.
	maxConfig = 1 << 20
	// usual is the port of SSH (RFC 4253, 4.2).
	usual = "22"
)

// configure sets the port in sshd's configuration, and returns the ports that it listens on. Where there
// is no configuration yet and the port is the usual one, sshd makes it.
func (s Settings) configure(i Image, at place) (ports []string, err error) {
	from := config
	e := i.Tree.Find(config)
	if e == nil {
		from = at.folder + "/" + configDefault
		e = i.Tree.Find(from)
	}
	want := strconv.Itoa(s.Port)
	if e == nil || e.Node.IsDir() {
		if s.Port == 0 || want == usual {
			return []string{usual}, nil
		}
		return nil, fault.Invalidf("port: there is neither %s nor %s in the image to set it in; leave it out, or give a whole Win32-OpenSSH", config, from)
	}
	content, err := tree.ReadAll(e.Node.Data, maxConfig)
	if err != nil {
		return nil, fault.In(from, err)
	}
	ports = portsOf(string(content))
	if s.Port == 0 || slices.Equal(ports, []string{want}) {
		return ports, nil
	}
	if err := makeFolder(i.Tree, data, dataSecurity); err != nil {
		return nil, err
	}
	if _, err := i.Tree.WriteFile(config, tree.Bytes(setPort(string(content), want))); err != nil {
		return nil, err
	}
	i.Note("The OpenSSH server listens on port %s.", want)
	return []string{want}, nil
}

// directive returns the keyword of a line of sshd_config in lower case, and its argument
// (sshd_config(5)). Comments and empty lines have none.
func directive(line string) (keyword, argument string) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return "", ""
	}
	end := strings.IndexAny(line, " \t=\"")
	if end < 0 {
		return strings.ToLower(line), ""
	}
	return strings.ToLower(line[:end]), strings.Trim(line[end:], " \t=\"")
}

// portsOf returns the ports that a configuration sets, or else the usual one. What follows Match holds
// for some connections only, and cannot set ports.
func portsOf(config string) []string {
	var ports []string
	for line := range strings.Lines(config) {
		keyword, argument := directive(line)
		if keyword == "match" {
			break
		}
		if keyword == "port" && !slices.Contains(ports, argument) {
			ports = append(ports, argument)
		}
	}
	if ports == nil {
		return []string{usual}
	}
	return ports
}

// setPort returns the configuration with one Port line, in the place of the first one, else of the
// comment that stands for it, else at the top. Everything else stays.
func setPort(config, port string) string {
	lines := strings.SplitAfter(config, "\n")
	end := "\n"
	if strings.Contains(config, "\r\n") {
		end = "\r\n"
	}
	set := fmt.Sprintf("Port %s%s", port, end)
	isPort := func(line string) bool { keyword, _ := directive(line); return keyword == "port" }
	match := slices.IndexFunc(lines, func(line string) bool { keyword, _ := directive(line); return keyword == "match" })
	if match < 0 {
		match = len(lines)
	}
	head, tail := lines[:match], lines[match:]
	at := slices.IndexFunc(head, isPort)
	if at < 0 {
		at = slices.IndexFunc(head, func(line string) bool {
			line, isComment := strings.CutPrefix(strings.TrimSpace(line), "#")
			return isComment && isPort(line) && line == "Port "+usual
		})
	}
	if at < 0 {
		return set + config
	}
	head = slices.Clone(head)
	head[at] = set
	rest := slices.DeleteFunc(head[at+1:], isPort)
	return strings.Join(head[:at+1], "") + strings.Join(rest, "") + strings.Join(tail, "")
}
