export async function getServerSideProps() {
  return { props: { pid: process.pid } }
}

export default function Page({ pid }) {
  return <p>{pid}</p>
}
