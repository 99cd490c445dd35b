package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sys/unix"
)

// A controller speaks to ovs-vswitchd over its control socket: JSON-RPC 1.0,
// as ovs-appctl(8) does, but without a process and a connection for each call.
type controller struct {
	in  *json.Decoder
	out *json.Encoder
	id  int
}

// A socket reads and writes in the calling thread: through Go's poller a call
// would cost several times as much in User-Mode Linux.
type socket int

func (s socket) Read(p []byte) (int, error) {
	n, err := unix.Read(int(s), p)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return max(n, 0), err
}

func (s socket) Write(p []byte) (int, error) {
	n, err := unix.Write(int(s), p)
	return max(n, 0), err
}

// controlSock is where ovs-appctl looks for the socket too.
var controlSock string

func dialControl() (*controller, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: controlSock}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connect to ovs-vswitchd: %w", err)
	}
	return &controller{in: json.NewDecoder(socket(fd)), out: json.NewEncoder(socket(fd))}, nil
}

var connection struct {
	sync.Mutex
	*controller
}

// control runs one of ovs-vswitchd's commands and returns what it prints.
func control(command string, args ...string) (string, error) {
	connection.Lock()
	defer connection.Unlock()
	if connection.controller == nil {
		c, err := dialControl()
		if err != nil {
			return "", err
		}
		connection.controller = c
	}
	text, err := connection.call(command, args)
	if err != nil {
		return "", fmt.Errorf("%s: %w", command, err)
	}
	return text, nil
}

func (c *controller) call(command string, args []string) (string, error) {
	if args == nil {
		args = []string{}
	}
	c.id++
	request := struct {
		ID     int      `json:"id"`
		Method string   `json:"method"`
		Params []string `json:"params"`
	}{c.id, command, args}
	if err := c.out.Encode(request); err != nil {
		return "", err
	}
	var reply struct {
		ID     int     `json:"id"`
		Result *string `json:"result"`
		Error  *string `json:"error"`
	}
	if err := c.in.Decode(&reply); err != nil {
		return "", err
	}
	switch {
	case reply.ID != c.id:
		return "", fmt.Errorf("reply to call %d where %d was made", reply.ID, c.id)
	case reply.Error != nil:
		return "", fmt.Errorf("refused: %s", *reply.Error)
	case reply.Result == nil:
		return "", fmt.Errorf("reply without a result")
	}
	return *reply.Result, nil
}
