// Tokens by the stock `livekit-server-sdk`: argv[2] is JSON {key, secret, wanted: [{identity, role, room}]}.
import { AccessToken } from 'livekit-server-sdk';

const { key, secret, wanted } = JSON.parse(process.argv[2]);
const tokens = [];
for (const { identity, role, room } of wanted) {
  const token = new AccessToken(key, secret, { identity, name: identity, ttl: '1h', attributes: role ? { role } : {} });
  token.addGrant({ roomJoin: true, room });
  tokens.push(await token.toJwt());
}
console.log(JSON.stringify({ tokens }));
